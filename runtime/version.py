"""The version of this software, as captures, User-Agent and manifests name it."""

SOFTWARE = "mep3m-pipeline"
VERSION = "0.1.0"
