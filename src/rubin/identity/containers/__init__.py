"""Who is it in containers: `cri.Cri`, `containerd.Containerd` and `docker.Docker` are providers."""
