package model

// BundleVariables name the file of roots to trust, for curl, git, node, npm, Python, Go, Rust, Deno and pip.
var BundleVariables = []string{
	"CARGO_HTTP_CAINFO", "CURL_CA_BUNDLE", "DENO_CERT", "GIT_SSL_CAINFO", "NODE_EXTRA_CA_CERTS", "NPM_CONFIG_CAFILE",
	"PIP_CERT", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE",
}
