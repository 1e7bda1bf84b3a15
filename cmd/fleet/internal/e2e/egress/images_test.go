//go:build machine

package egress

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"fleet/cmd/fleet/internal/e2e/origins"
)

// imageHosts are a registry of images and the service that gives its tokens, which lie apart as Docker Hub's do: a client
// asks the registry, is sent to the service, shows its password there, and comes back with a token for some minutes.
func imageHosts() []origins.Host {
	minted := rand.Text()
	config := []byte(`{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}`)
	manifest, _ := json.Marshal(map[string]any{ // which fails for none of these
		"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "layers": []string{},
		"config": map[string]any{"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest(config), "size": len(config)},
	})
	registry := http.NewServeMux()
	serve := func(path, kind string, body []byte) {
		registry.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.Header().Set("Docker-Content-Digest", digest(body))
			_, _ = w.Write(body)
		})
	}
	serve("/v2/{$}", "application/json", []byte("{}"))
	serve("/v2/thing/manifests/1", "application/vnd.oci.image.manifest.v1+json", manifest)
	serve("/v2/thing/blobs/"+digest(config), "application/octet-stream", config)
	return []origins.Host{
		{Name: "images.test", Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "Bearer "+minted {
				w.Header().Set("WWW-Authenticate", `Bearer realm="https://login.images.test/token",service="images.test",scope="repository:thing:pull"`)
				http.Error(w, `{"errors":[{"code":"UNAUTHORIZED"}]}`, http.StatusUnauthorized)
				return
			}
			registry.ServeHTTP(w, r)
		})},
		{Name: "login.images.test", Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, _, ok := r.BasicAuth(); !ok || !strings.HasPrefix(r.URL.Path, "/token") {
				http.Error(w, "who are you?", http.StatusUnauthorized)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(map[string]any{"token": minted, "expires_in": 300})
		})},
	}
}

func digest(b []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(b)) }
