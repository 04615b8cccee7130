"""The file of a fax that comes in: another name until it is whole, and never made twice."""

import errno
import os
import stat
from pathlib import Path

import pytest

from t38fsp.image import growing
from t38fsp.image.coder import encode_burst
from t38fsp.image.document import inspect
from t38fsp.image.errors import StoreError
from t38fsp.image.growing import complete, create, discard
from t38fsp.image.room import ROOM, check_room
from t38fsp.image.store import append_page, finish
from t38fsp.image.values import Growing
from t38fsp.t30.vocabulary import Coding, PageMode, Resolution
from tests.pages import load_page, make_document, make_pixels
from tests.peers.libtiff import tiffinfo

MMR = PageMode(Coding.MMR, 1728, Resolution.R8_FINE, True, 14400, 0.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "fax.tif"


def add(growing: Growing, rows: int = 40) -> None:
    data = encode_burst(make_pixels(1728, rows, "text"), MMR)
    append_page(growing.path, data, MMR, growing.file_id)


def names(path: Path) -> list[str]:
    return sorted(file.name for file in path.parent.iterdir())


class TestNames:
    def test_it_gets_its_name_when_it_is_whole(self, path: Path) -> None:
        fax = create(path)
        add(fax)
        add(fax, 50)
        assert names(path) == ["fax.tif.part"]
        assert stat.S_IMODE(os.stat(fax.path).st_mode) == 0o600
        assert tiffinfo(Path(fax.path)).count("Image Width: 1728") == 2
        finish(fax.path, 2, fax.file_id)
        assert complete(fax, path) == str(path)
        assert names(path) == ["fax.tif"]
        assert load_page(path, 1)[1] == make_pixels(1728, 50, "text")
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    def test_two_faxes_that_were_to_have_one_name(self, path: Path) -> None:
        one, other = create(path), create(path)
        add(one, 40)
        add(other, 50)
        assert names(path) == ["fax-2.tif.part", "fax.tif.part"]
        assert complete(other, path) == str(path)
        assert complete(one, path) == str(path.with_name("fax-2.tif"))
        assert names(path) == ["fax-2.tif", "fax.tif"]
        assert inspect(path)[0].rows == 50

    def test_what_a_killed_process_left_is_kept(self, path: Path) -> None:
        left = create(path)
        add(left)
        fax = create(path)
        add(fax, 50)
        assert complete(fax, path) == str(path)
        assert names(path) == ["fax.tif", "fax.tif.part"]
        assert inspect(left.path)[0].rows == 40

    def test_a_file_that_took_the_name_meanwhile_is_kept(self, path: Path) -> None:
        fax = create(path)
        add(fax)
        path.write_bytes(b"somebody's")
        assert complete(fax, path) == str(path.with_name("fax-2.tif"))
        assert path.read_bytes() == b"somebody's"

    def test_even_a_link_to_nowhere_has_the_name(self, path: Path) -> None:
        path.symlink_to("nowhere")
        fax = create(path)
        add(fax)
        assert complete(fax, path) == str(path.with_name("fax-2.tif"))
        assert path.is_symlink()

    def test_a_name_of_no_suffix_and_of_several(self, tmp_path: Path) -> None:
        for name, second in (("fax", "fax-2"), ("a.fax.tiff", "a.fax-2.tiff"), (".fax", ".fax-2")):
            (tmp_path / name).touch()
            fax = create(tmp_path / name)
            add(fax)
            assert complete(fax, tmp_path / name) == str(tmp_path / second)

    def test_completing_twice_is_no_error(self, path: Path) -> None:
        """The worker may have died before it could tell."""
        path.touch()
        fax = create(path)
        add(fax)
        name = complete(fax, path)
        assert complete(fax, path) == name == str(path.with_name("fax-2.tif"))

    def test_a_name_that_cannot_be_had_leaves_the_old_one(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fax = create(path)
        add(fax)

        def rename(source: str, target: str) -> None:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))

        monkeypatch.setattr(growing.os, "rename", rename)
        assert complete(fax, path) == fax.path
        assert inspect(fax.path)[0].rows == 40


class TestMovedAway:
    def test_no_further_page_goes_anywhere(self, path: Path) -> None:
        fax = create(path)
        add(fax)
        moved = path.with_name("taken.tif")
        os.rename(fax.path, moved)
        before = moved.read_bytes()
        with pytest.raises(
            StoreError, match=r"fax\.tif\.part was moved away while the fax was being received"
        ):
            add(fax)
        assert names(path) == ["taken.tif"]
        assert moved.read_bytes() == before
        with pytest.raises(StoreError, match="was moved away or replaced while the fax was being received"):
            complete(fax, path)
        assert names(path) == ["taken.tif"]

    def test_another_file_in_its_place_is_left_alone(self, path: Path) -> None:
        fax = create(path)
        add(fax)
        os.rename(fax.path, path.with_name("taken.tif"))
        make_document(Path(fax.path), [(1728, Resolution.R8_FINE, 20, "text")])
        before = Path(fax.path).read_bytes()
        for job in (lambda: add(fax), lambda: finish(fax.path, 1, fax.file_id), lambda: complete(fax, path)):
            with pytest.raises(StoreError, match=r"was replaced by|moved away or replaced"):
                job()
        discard(fax, path)
        assert Path(fax.path).read_bytes() == before
        assert not path.exists()

    def test_a_folder_that_was_moved(self, tmp_path: Path) -> None:
        (tmp_path / "faxes").mkdir()
        fax = create(tmp_path / "faxes" / "fax.tif")
        add(fax)
        (tmp_path / "faxes").rename(tmp_path / "old")
        with pytest.raises(StoreError, match="was moved away"):
            add(fax)

    def test_one_that_is_appended_to(self, path: Path) -> None:
        path.touch()
        fax = create(path, append=True)
        add(fax)
        path.rename(path.with_name("taken.tif"))
        with pytest.raises(StoreError, match=r"fax\.tif was moved away"):
            add(fax)
        assert names(path) == ["taken.tif"]


class TestAppending:
    def test_it_grows_in_its_place(self, path: Path) -> None:
        make_document(path, [(1728, Resolution.R8_FINE, 30, "text")])
        fax = create(path, append=True)
        assert (fax.path, fax.pages, fax.made) == (str(path), 1, False)
        add(fax)
        assert complete(fax, path) == str(path)
        assert [page.rows for page in inspect(path)] == [30, 40]

    def test_it_is_made_when_it_is_missing(self, path: Path) -> None:
        fax = create(path, append=True)
        assert (fax.path, fax.pages, fax.made) == (str(path), 0, True)

    def test_what_is_no_tiff_takes_no_page(self, path: Path) -> None:
        path.write_bytes(b"somebody's notes")
        with pytest.raises(StoreError, match="not a TIFF file"):
            create(path, append=True)


class TestDiscarding:
    def test_nothing_is_left_of_a_fax_without_a_page(self, path: Path) -> None:
        discard(create(path), path)
        assert names(path) == []

    def test_a_page_that_does_not_count_goes_too(self, path: Path) -> None:
        fax = create(path)
        add(fax)
        discard(fax, path)
        assert names(path) == []

    def test_twice_is_no_error(self, path: Path) -> None:
        fax = create(path)
        discard(fax, path)
        discard(fax, path)

    def test_what_was_appended_to_stays(self, path: Path) -> None:
        path.touch()
        discard(create(path, append=True), path)
        assert path.exists()

    def test_an_empty_one_that_was_made_to_be_appended_to_does_not(self, path: Path) -> None:
        discard(create(path, append=True), path)
        assert names(path) == []


class TestRoom:
    def test_it_leaves_nothing(self, path: Path) -> None:
        check_room(path)
        check_room(path, append=True)
        assert names(path) == []

    def test_an_existing_file(self, path: Path) -> None:
        path.touch()
        check_room(path, append=True)
        with pytest.raises(StoreError, match=r"fax\.tif exists; name a new file"):
            check_room(path)

    def test_a_folder_that_is_missing_or_none(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        for folder in ("missing", "file"):
            with pytest.raises(StoreError, match=f"nothing can be stored in {tmp_path / folder}: "):
                check_room(tmp_path / folder / "fax.tif")

    @pytest.mark.parametrize("how", ["allocate", "write"])
    def test_a_limit_of_the_process(self, path: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
        """A disk that is full, as far as a test can have one."""
        resource = pytest.importorskip("resource")
        if how == "write":

            def allocate(*arguments: int) -> None:
                raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

            monkeypatch.setattr(os, "posix_fallocate", allocate)
            check_room(path)
        usual = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM - 1, usual[1]))
        try:
            with pytest.raises(StoreError, match="nothing can be stored in"):
                check_room(path)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, usual)
        check_room(path)
        assert names(path) == []

    def test_a_full_disk_under_a_file_that_is_appended_to(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path.touch()

        class Full:
            f_bavail, f_frsize = ROOM // 4096 - 1, 4096

        monkeypatch.setattr(os, "statvfs", lambda place: Full)
        with pytest.raises(StoreError, match="No space left on device"):
            check_room(path, append=True)


class TestFolders:
    @pytest.mark.parametrize("answer", [errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS, errno.EACCES])
    @pytest.mark.parametrize("call", ["open", "fsync"])
    def test_one_that_cannot_be_synchronised_takes_faxes(
        self, path: Path, monkeypatch: pytest.MonkeyPatch, answer: int, call: str
    ) -> None:
        """As network file systems answer."""
        refuse_for_folders(monkeypatch, call, answer)
        fax = create(path)
        add(fax)
        append_page(path.with_name("other.tif"), encode_burst(make_pixels(1728, 9, "text"), MMR), MMR)
        assert complete(fax, path) == str(path)

    def test_a_disk_that_fails_is_another_thing(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        refuse_for_folders(monkeypatch, "fsync", errno.EIO)
        with pytest.raises(StoreError, match="Input/output error"):
            add(create(path))

    def test_folders_that_cannot_be_locked(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        fcntl = pytest.importorskip("fcntl")

        def flock(handle: int, operation: int) -> None:
            raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

        monkeypatch.setattr(fcntl, "flock", flock)
        fax = create(path)
        add(fax)
        assert complete(fax, path) == str(path)

    def test_a_folder_that_somebody_else_has_locked(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fcntl = pytest.importorskip("fcntl")
        monkeypatch.setattr(growing, "_LOCKED_FOR", 0.05)
        fax = create(path)
        add(fax)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            assert complete(fax, path) == str(path)
        finally:
            os.close(folder)


def refuse_for_folders(monkeypatch: pytest.MonkeyPatch, call: str, answer: int) -> None:
    usual = getattr(os, call)

    def refusing(place: int | str, *arguments: int) -> int:
        if (
            os.path.isdir(place)
            if isinstance(place, (str, os.PathLike))
            else stat.S_ISDIR(os.fstat(place).st_mode)
        ):
            raise OSError(answer, os.strerror(answer))
        return usual(place, *arguments)

    monkeypatch.setattr(os, call, refusing)
