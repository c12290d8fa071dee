"""Who is behind an address, cgroup, interface or network namespace: providers tell facts, one table decides."""
