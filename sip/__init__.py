"""SIP user agent and SDP, sans-IO; knows no fax."""
