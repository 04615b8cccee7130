"""A gateway with nothing of ours in it: SIPp for SIP, rtpengine for T.38, a spandsp fax machine behind G.711.

This module only carries descriptions from one to the other, as a B2BUA in front of rtpengine does.
"""

from __future__ import annotations

import base64
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.chain.lossy_path import LossyPath
from tests.peers.audio_fax import RtpFax
from tests.peers.rtpengine import Bencoded, Rtpengine
from tests.peers.sip_peer import PATIENCE, Address, SippPeer

_SCENARIOS = Path(__file__).with_name("scenarios")


class MediaGateway:
    """One call through rtpengine: who speaks SIP on its one side, a fax machine on the other.

    Args:
        path: what T.38 travels over between SIP and rtpengine.
        fec: correct errors by parity when T.38 is offered to the SIP side.
    """

    def __init__(self, engine: Rtpengine, fax: RtpFax, path: LossyPath, *, fec: bool = False) -> None:
        self._engine = engine
        self._fax = fax
        self._path = path
        self._to_image: dict[str, Bencoded] = {"T.38": ["force", "FEC"] if fec else ["force"]}
        self._to_audio: dict[str, Bencoded] = {"T.38": ["decode"], "codec": {"transcode": ["PCMA"]}}
        self._call = f"call of the fax machine at port {fax.address[1]}"

    def answer(self, offer: str) -> str:
        """The answer to an offer of the SIP side; one of T.38 makes rtpengine a T.38 gateway."""
        options = self._to_audio if "m=image" in offer else {}
        self._fax.connect(self._engine.offer(self._call, "sip", self._path.from_sip(offer), **options))
        answer = self._engine.answer(self._call, "sip", "fax", self._fax.description)
        return self._path.from_gateway(answer)

    def offer(self, *, image: bool) -> str:
        """An offer to the SIP side, of audio or of T.38."""
        options = self._to_image if image else {}
        offer = self._engine.offer(self._call, "fax", self._fax.description, **options)
        return self._path.from_gateway(offer)

    def answered(self, answer: str) -> None:
        """The SIP side answered :meth:`offer`."""
        self._fax.connect(self._engine.answer(self._call, "fax", "sip", self._path.from_sip(answer)))

    def delete(self) -> None:
        self._engine.delete(self._call, "fax")


class Gateway:
    """A gateway in a call with somebody; a context manager that ends what it began.

    Args:
        fax: the machine behind it; it begins when the call is answered.
        folder: for SIPp's logs.
        remote: whom to call; None waits for a call.
        image: call with T.38 in the INVITE.
    """

    def __init__(
        self,
        media: MediaGateway,
        fax: RtpFax,
        folder: Path,
        remote: Address | None = None,
        *,
        image: bool = False,
    ) -> None:
        self._fax = fax
        self._media = media
        name = "gateway_is_called" if remote is None else "gateway_calls"
        keys = {} if remote is None else {"offer": media.offer(image=image)}
        self._sipp = SippPeer(_SCENARIOS / f"{name}.xml", folder, 0, remote=remote, keys=keys)
        self._descriptions: dict[str, str] = {}
        self.address = self._sipp.address

    def take_call(self, *, switches: bool) -> None:
        """Be called. With ``switches``, offer T.38 when the fax machine is heard on its telephone line."""
        self._sipp.inform(self._media.answer(self._described("offer")))
        self._sipp.expect("call")
        self._fax.start()
        if switches:
            assert self._fax.spoke.wait(PATIENCE), "the fax machine sent no frame"
            self._sipp.inform(self._media.offer(image=True))
            self._media.answered(self._described("answer"))

    def place_call(self, *, is_switched: bool) -> None:
        """Call. With ``is_switched``, take the offer of T.38 that comes next."""
        self._media.answered(self._described("answer"))
        self._fax.start()
        if is_switched:
            self._sipp.inform(self._media.answer(self._described("offer")))
            self._sipp.expect("switched")

    def hang_up(self) -> None:
        self._sipp.hang_up()

    def wait(self) -> None:
        """Wait for BYE and its 200."""
        self._sipp.expect("bye")
        self._sipp.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sipp.stop()
        self._media.delete()

    def _described(self, word: str) -> str:
        """What SIPp tells with ``word``. An answer and the offer that follows at once may change places."""
        while word not in self._descriptions:
            told, self._sipp.call_id, description = self._sipp.listen(word)
            self._descriptions[told] = base64.b64decode(description).decode("ascii")
        return self._descriptions.pop(word)
