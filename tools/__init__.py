"""Small scripts of the build, and the verbs."""
