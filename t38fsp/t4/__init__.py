"""The coded page (T.4, T.6) as a stream: codes, EOL, fill, RTC, EOFB, line checking."""
