"""Names in a Kubernetes cluster: pods, services and nodes by list and watch. `provider.Kubernetes` is the provider."""
