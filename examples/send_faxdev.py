"""Send a fax through the FaxDev functions: ``send_faxdev.py letter.tif sip:+15550100@127.0.0.1:5070``.

This uses one device. For several faxes at once set ``device_count``, and run each job in a separate thread,
with a separate DeviceId from 0 up: FaxDevSend blocks until its fax is over. Ctrl-C, SIGTERM and a closed
terminal hang up.
"""

import signal
import sys
import threading

from t38fsp import EngineSettings, faxdev


def on_call(fax_handle: int, call_handle: object, _reserved1: int, _reserved2: int) -> bool:
    print(f"fax {fax_handle} has the call {call_handle}")
    return True


def main(document: str, number: str) -> int:
    faxdev.configure(faxdev.FaxDevSettings(own_end=EngineSettings(listen=("0.0.0.0", 0))))
    if faxdev.FaxDevInitialize() is None:
        print(f"cannot start the provider, error {faxdev.GetLastError()}", file=sys.stderr)
        return 1
    job = faxdev.FaxDevStartJob(0, 0, None, None)
    if not job:
        print(f"cannot start a job, error {faxdev.GetLastError()}", file=sys.stderr)
        return 1

    def stop(signal_number: int, frame: object) -> None:
        # In a thread: a signal may arrive while the main thread holds a lock of the provider.
        threading.Thread(target=faxdev.FaxDevAbortOperation, args=(job,)).start()

    for signal_number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signal_number, stop)
    sent = faxdev.FaxDevSend(job, faxdev.FAX_SEND(FileName=document, ReceiverNumber=number), on_call)
    status, result = faxdev.FaxDevReportStatus(job), faxdev.GetJobResult(job)
    if status is not None and result is not None:
        print(f"FS_{status.StatusId}: {result.reason}")
    faxdev.FaxDevEndJob(job)
    faxdev.FaxDevShutdown()
    return 0 if sent else 1


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: send_faxdev.py DOCUMENT NUMBER-OR-URI")
    sys.exit(main(*sys.argv[1:]))
