"""Settings, devices, sizes, and the functions of the module."""

from __future__ import annotations

import pytest

from t38fsp import faxdev
from t38fsp.choices import Backend
from t38fsp.faxdev import (
    ERROR_BUSY,
    ERROR_INSUFFICIENT_BUFFER,
    ERROR_OPEN_FAILED,
    FAX_DEV_STATUS,
    FAXDEVREPORTSTATUS_SIZE,
    FS_BUSY,
    FS_RECEIVING,
    CompletionPort,
    FaxDevSettings,
    FaxServiceProvider,
    GetLastError,
    SetLastError,
    VirtualDevices,
)
from t38fsp.jobs import EngineSettings
from tests.faxdev.service import FAKE_ENGINE, Service


def test_devices_are_presented() -> None:
    provider = FaxServiceProvider(
        FaxDevSettings(device_count=3, device_id_prefix=7, device_name_prefix="Fax ")
    )
    assert provider.FaxDevVirtualDeviceCreation(CompletionPort(), "key") == VirtualDevices(3, "Fax ", 7)


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"device_count": 0}, "device_count"),
        ({"device_id_prefix": 0}, "device_id_prefix"),
        ({"device_id_prefix": 2**32 - 1, "device_count": 2}, "device_id_prefix"),
        ({"device_name_prefix": "x" * 128}, "device_name_prefix"),
    ],
)
def test_unusable_settings_are_refused(settings: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        FaxDevSettings(**settings)


def test_many_devices_have_several_engine_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("t38fsp.faxdev.settings.usable_cores", lambda: 3)

    def workers(devices: int, **settings: object) -> int | None:
        return FaxDevSettings(device_count=devices, **settings).engine.workers

    assert [workers(devices) for devices in (1, 100, 101, 200, 1000)] == [1, 1, 2, 2, 3]
    assert workers(1, own_end=EngineSettings(workers=2)) == 2
    assert workers(1000, own_end=EngineSettings(workers=1)) == 1
    assert workers(1000, own_end=EngineSettings(signalling="line.sock")) == 1
    assert workers(1000, own_end=EngineSettings(backend=Backend.PJSUA2)) == 1


def test_an_engine_that_cannot_start_fails_the_initialisation(caplog: pytest.LogCaptureFixture) -> None:
    provider = FaxServiceProvider(
        FaxDevSettings(own_end=EngineSettings(listen=("203.0.113.1", 5060))), engine=FAKE_ENGINE
    )
    assert provider.FaxDevInitialize(0, 0, None) is None
    assert GetLastError() == ERROR_OPEN_FAILED
    assert "no address of this machine" in caplog.text


def test_a_second_initialisation_is_refused(service: Service) -> None:
    assert service.provider.FaxDevInitialize(0, 0, None) is None
    assert GetLastError() == ERROR_BUSY


def test_configuring_a_provider_in_use_is_refused(service: Service) -> None:
    with pytest.raises(RuntimeError, match="FaxDevShutdown"):
        service.provider.configure(FaxDevSettings())


def test_a_status_that_does_not_fit_is_not_reported(service: Service) -> None:
    fax = service.send("switch-busy").wait()
    status = service.provider.FaxDevReportStatus(fax.handle)
    assert status.StatusId is FS_BUSY
    assert status.SizeRequired == FAX_DEV_STATUS.SizeOfStruct + 2 * len("+15550123\0")
    SetLastError(0)
    assert service.provider.FaxDevReportStatus(fax.handle, status.SizeRequired) == status
    assert GetLastError() == 0
    assert service.provider.FaxDevReportStatus(fax.handle, status.SizeRequired - 1) is None
    assert GetLastError() == ERROR_INSUFFICIENT_BUFFER


def test_the_longest_status_fits_the_buffer_of_the_service() -> None:
    longest = FAX_DEV_STATUS(FS_RECEIVING, CSI="x" * 20, CallerId="\U0001f4e0" * 250, RoutingInfo="x" * 250)
    assert longest.SizeRequired <= FAX_DEV_STATUS.SizeOfStruct + FAXDEVREPORTSTATUS_SIZE


def test_the_module_functions_belong_to_one_provider() -> None:
    port = CompletionPort()
    faxdev.configure(FaxDevSettings(device_count=2))
    assert faxdev.FaxDevVirtualDeviceCreation(port, "key").DeviceCount == 2
    assert faxdev.FaxDevStartJob(0, 0, port, "key") == 0
    assert faxdev.FaxDevShutdown() == faxdev.S_OK


def test_every_function_of_the_interface_is_there() -> None:
    names = {name for name in faxdev.__all__ if name.startswith("FaxDev")} - {"FaxDevSettings"}
    assert names == {
        "FaxDevVirtualDeviceCreation",
        "FaxDevInitialize",
        "FaxDevStartJob",
        "FaxDevSend",
        "FaxDevReceive",
        "FaxDevReportStatus",
        "FaxDevAbortOperation",
        "FaxDevEndJob",
        "FaxDevShutdown",
    }
    assert all(hasattr(faxdev, name) for name in faxdev.__all__)
