"""Who may speak with whom: certificates in use (`contexts`), and a small authority that makes them (`authority`)."""
