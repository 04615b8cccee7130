"""The agent on a network: UDP, TCP and TLS on asyncio, and finding servers (RFC 3263)."""
