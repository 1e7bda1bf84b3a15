//go:build machine

package egress

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/cgi"

	"fleet/cmd/fleet/internal/anthropicstub"
	"fleet/cmd/fleet/internal/e2e/origins"
	"fleet/cmd/fleet/internal/standin"
)

// repositories is the folder of the machine with what git.test serves.
const repositories = "/srv/git"

// hosts are those origins that real clients ask.
func hosts() []origins.Host {
	git := &cgi.Handler{
		Path: "/usr/lib/git-core/git-http-backend",
		Env:  []string{"GIT_PROJECT_ROOT=" + repositories, "GIT_HTTP_EXPORT_ALL=1"},
	}
	return append(imageHosts(), []origins.Host{
		{Name: "git.test", Handler: git},
		{Name: "private.test", Handler: private(git)},
		{Name: "api.github.com", Handler: http.HandlerFunc(gitHub)},
		{Name: "registry.test", Handler: registry()},
		{Name: "api.anthropic.com", Handler: &anthropicstub.Server{Book: new(standin.Book)}},
	}...)
}

// private asks for a password first, as git's servers do. Which one was given is the test's to look at.
func private(of http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, _, ok := r.BasicAuth(); !ok {
			w.Header().Set("WWW-Authenticate", `Basic realm="private"`)
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		of.ServeHTTP(w, r)
	})
}

// gitHub tells who asks, as GitHub's API does.
func gitHub(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	if r.Header.Get("Authorization") == "" || r.URL.Path != "/user" {
		http.Error(w, `{"message":"Bad credentials"}`, http.StatusUnauthorized)
		return
	}
	_, _ = w.Write([]byte(`{"login":"atlas"}`))
}

// registry serves one package to npm and one to pip.
func registry() http.Handler {
	mux := http.NewServeMux()
	tarball := npmPackage()
	sum := sha512.Sum512(tarball)
	mux.HandleFunc("GET /thing", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{
			"name": "thing", "dist-tags": map[string]string{"latest": "1.0.0"},
			"versions": map[string]any{"1.0.0": map[string]any{
				"name": "thing", "version": "1.0.0",
				"dist": map[string]string{
					"tarball":   "https://registry.test/thing/-/thing-1.0.0.tgz",
					"integrity": "sha512-" + base64.StdEncoding.EncodeToString(sum[:]),
				},
			}},
		})
	})
	mux.HandleFunc("GET /thing/-/thing-1.0.0.tgz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(tarball) })
	const wheel = "thing-1.0.0-py3-none-any.whl"
	mux.HandleFunc("GET /simple/thing/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, `<!DOCTYPE html><html><body><a href="/wheels/%s">%s</a></body></html>`, wheel, wheel)
	})
	mux.HandleFunc("GET /wheels/"+wheel, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(pythonWheel()) })
	return mux
}

func npmPackage() []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	t := tar.NewWriter(z)
	for name, text := range map[string]string{
		"package/package.json": `{"name":"thing","version":"1.0.0","main":"index.js"}`,
		"package/index.js":     "module.exports = 'a thing';\n",
	} {
		_ = t.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text))}) // a buffer takes everything
		_, _ = t.Write([]byte(text))
	}
	_ = t.Close()
	_ = z.Close()
	return b.Bytes()
}

func pythonWheel() []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, text := range map[string]string{
		"thing.py":                       "what = 'a thing'\n",
		"thing-1.0.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: thing\nVersion: 1.0.0\n",
		"thing-1.0.0.dist-info/WHEEL":    "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
		"thing-1.0.0.dist-info/RECORD":   "thing.py,,\nthing-1.0.0.dist-info/METADATA,,\nthing-1.0.0.dist-info/WHEEL,,\nthing-1.0.0.dist-info/RECORD,,\n",
	} {
		w, _ := z.Create(name) // a buffer takes everything
		_, _ = w.Write([]byte(text))
	}
	_ = z.Close()
	return b.Bytes()
}
