"""From the arguments of a program's call to the job of an engine."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from sip.values import Credentials
from t38fsp.call_settings import CallSettings
from t38fsp.cover import Cover
from t38fsp.errors import SettingError
from t38fsp.header import Header
from t38fsp.jobs import NO_SUBADDRESS, WHOLE, Addressing, PollJob, Resume, SendJob
from t38fsp.page_settings import PageSettings
from t38fsp.results import FaxResult
from t38fsp.settings.address import caller_address, peer_address, target_uri
from t38fsp.settings.errors import UnknownRouteError
from t38fsp.t30.options import PollOptions

if TYPE_CHECKING:
    from t38fsp.prepared import PreparedDocument

    # Not at run time: a program without a configuration does not need pydantic, whose import takes as
    # long as that of an engine.
    from t38fsp.settings.route import Route

StrPath = str | os.PathLike[str]
_Job = TypeVar("_Job", SendJob, PollJob)
_Value = TypeVar("_Value", PageSettings, Cover)


def send_job(
    routes: Mapping[str, Route],
    document: StrPath | Sequence[StrPath] | PreparedDocument,
    to: str,
    route: str | None,
    *,
    via: str | None = None,
    caller: str | None = None,
    credentials: Credentials | None = None,
    settings: CallSettings | None = None,
    pages: PageSettings | None = None,
    password: str | None = None,
    cover: Cover | None = None,
    header: Header | bool | None = None,
    resume: FaxResult | int | None = None,
    addressing: Addressing = NO_SUBADDRESS,
) -> SendJob:
    """The job of :meth:`t38fsp.provider.FaxProvider.send`. Raises AddressError, UnknownRouteError and
    SettingError."""
    prepared = None
    # A PreparedDocument. It is known by what it is not, for to import its class takes the image pool
    # along.
    if not isinstance(document, str | os.PathLike | Sequence):
        prepared, pages, password = document.prepared, document.settings, document.password
        document = document.documents
    files = _paths(document)
    job = _job(routes, SendJob, lambda known: known.send_job(files, to), files, to, route, via)
    # What was given goes before what the route says; None is "not given" everywhere but in ``header``,
    # where False is a choice, too.
    return replace(
        job,
        caller=job.caller if caller is None else caller_address(caller),
        credentials=credentials or job.credentials,
        settings=settings or job.settings,
        pages=_with_absolute(pages or job.pages, "font"),
        password=password,
        prepared=prepared,
        cover=None if cover is None else _with_absolute(cover, *cover.files),
        header=job.header if header is None else _header(header),
        resume=_resume(resume),
        addressing=addressing,
    )


def poll_job(
    routes: Mapping[str, Route],
    file: str,
    to: str,
    route: str | None,
    *,
    via: str | None,
    caller: str | None,
    credentials: Credentials | None,
    settings: CallSettings | None,
    poll: PollOptions,
    append: bool,
) -> PollJob:
    """The job of :meth:`t38fsp.provider.FaxProvider.poll`. Raises AddressError and UnknownRouteError."""
    job = _job(routes, PollJob, lambda known: known.poll_job(file, to), (file,), to, route, via)
    return replace(
        job,
        caller=job.caller if caller is None else caller_address(caller),
        credentials=credentials or job.credentials,
        settings=settings or job.settings,
        poll=poll,
        append=append,
    )


def poll_options(selective_address: str, sub_address: str, password: str) -> PollOptions:
    """Raises SettingError for text that cannot be coded."""
    try:
        return PollOptions(selective_address, sub_address, password)
    except ValueError as error:
        raise SettingError(str(error)) from error


def _job(
    routes: Mapping[str, Route],
    kind: type[_Job],
    of_route: Callable[[Route], _Job],
    files: tuple[str, ...],
    to: str,
    name: str | None,
    via: str | None,
) -> _Job:
    hop = None if via is None else peer_address(via)
    if name is None:
        return kind(files, target_uri(to, hop), via=hop)
    if name not in routes:
        known = ", ".join(routes) or "none"
        raise UnknownRouteError(f"the provider has no route {name!r}; known routes: {known}")
    job = of_route(routes[name])
    return job if hop is None else replace(job, via=hop)


def _paths(document: StrPath | Sequence[StrPath]) -> tuple[str, ...]:
    """Raises SettingError for no document."""
    several = (document,) if isinstance(document, str | os.PathLike) else document
    if not several:
        raise SettingError("there is no document to send; give at least one")
    return tuple(os.fspath(each) for each in several)


def _with_absolute(value: _Value, *names: str) -> _Value:
    """``value`` with absolute paths of its files: image workers may have another current directory."""
    paths = {name: getattr(value, name) for name in names}
    return replace(value, **{name: os.path.abspath(path) for name, path in paths.items() if path})


def _header(header: Header | bool) -> Header | None:
    if isinstance(header, Header):
        return header
    return Header() if header else None


def _resume(after: FaxResult | int | None) -> Resume:
    if after is None:
        return WHOLE
    return Resume(after) if isinstance(after, int) else Resume.after(after)
