"""The user agent core: dialogs, calls, offers and answers, registrations, authentication, failover."""
