"""A line over PJSIP (the extra ``pjsua2``), in worker processes, so that its aborts end calls and not the
program.

The table lists what is supported. The line raises ``UnsupportedError`` where it can know beforehand; those
checks are in :mod:`sip.pjsua.limits`, details in ``docs/pjsua2.md``.

=========================================  ===================================================================
what                                       over PJSIP
=========================================  ===================================================================
audio in the first INVITE, out and in      served
no offer in the first INVITE, out and in   served, when the far end offers audio
T.38 in the first INVITE, out              refused: ``UnsupportedError`` from ``place``
T.38 alone in the first INVITE, in         PJSIP responds 488 and does not report the call
audio and T.38 in the first INVITE, in     audio is accepted; T.38 appears refused in ``Incoming.offer``
our re-INVITE to T.38                      served; a refused audio line precedes it in the message
our re-INVITE to anything else             refused: ``UnsupportedError`` from ``offer``
their re-INVITE to T.38, or back to audio  served; 488 if it has more media lines than PJSIP prepared for
                                           (two in calls we placed, those of the INVITE in others)
UPDATE with a description                  PJSIP responds 488; without one it is served
their re-INVITE without a description      answered with the current state; their answer is not reported
CANCEL, BYE, digest, session timers, 491   served; a call cancelled before any answer keeps its place for 33 s
several hops, 3xx                          served, each attempt with a new Call-ID
identity, privacy, routes, more headers    served
registration                               served
callers that are not admitted              403; they are not ignored
callers with a password                    refused: ``PjsuaError`` from the line that would take calls
UDP and TCP over IPv4                      served
TLS over IPv4                              served, version 1.2 only
IPv6                                       refused: ``UnsupportedError``
descriptions over 1023 octets              ours: ``UnsupportedError``; theirs are read whole
calls at a time                            four for each worker; more workers are started for placed calls,
                                           incoming ones all go to the first, and the fifth gets 486
=========================================  ===================================================================
"""
