"""A line over PJSIP (the extra ``pjsua2``), in worker processes: its aborts end calls, never the program.

What is served, and what is not; the line says so with ``UnsupportedError`` where it can be seen beforehand.
The sentences are in :mod:`sip.pjsua.limits`, more of it in ``docs/pjsua2.md``.

=========================================  ===================================================================
what                                       over PJSIP
=========================================  ===================================================================
audio in the first INVITE, out and in      served
no offer in the first INVITE, out and in   served, when the far end offers audio
T.38 in the first INVITE, out              refused: ``UnsupportedError`` from ``place``
T.38 alone in the first INVITE, in         PJSIP answers 488 before anybody hears of the call
audio and T.38 in the first INVITE, in     audio is taken; T.38 looks refused in ``Incoming.offer``
our re-INVITE to T.38                      served; on the wire a refused audio line stands before it
our re-INVITE to anything else             refused: ``UnsupportedError`` from ``offer``
their re-INVITE to T.38, or back to audio  served; 488 when it has more media lines than PJSIP prepared for
                                           (two in calls we placed, those of the INVITE in others)
UPDATE with a description                  PJSIP answers 488; without one it is served
their re-INVITE without a description      answered with what holds; their answer to it is not reported
CANCEL, BYE, digest, session timers, 491   served; a call cancelled before any answer keeps its place for 33 s
several hops, 3xx                          served, each attempt with a Call-ID of its own
identity, privacy, routes, more headers    served
registration                               served
callers who are not admitted               403; they are not ignored
callers with a password                    refused: ``PjsuaError`` from the line that would take calls
UDP and TCP over IPv4                      served
TLS over IPv4                              served, version 1.2 only
IPv6                                       refused: ``UnsupportedError``
descriptions over 1023 octets              ours: ``UnsupportedError``; theirs are read whole
calls at a time                            four for each worker; more workers are started for placed calls,
                                           incoming ones all go to the first, and the fifth gets 486
=========================================  ===================================================================
"""
