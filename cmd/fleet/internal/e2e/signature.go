//go:build machine

package e2e

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// Signature returns the signature that Amazon's own library makes with a key of a request that an origin saw: for the
// fields, the time, the service and the region that its own signature names.
func Signature(t testing.TB, keys aws.Credentials, method, address string, head http.Header, body string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(head.Get("Authorization"), "SignedHeaders=")
	list, _, _ = strings.Cut(list, ",")
	for name := range strings.SplitSeq(list, ";") {
		if name == "content-length" {
			r.ContentLength = int64(len(body))
		} else if v := head.Get(name); v != "" {
			r.Header.Set(name, v)
		}
	}
	_, scope, _ := strings.Cut(head.Get("Authorization"), "Credential=")
	scope, _, _ = strings.Cut(scope, ",")
	parts := strings.Split(scope, "/") // key, day, region, service, aws4_request
	if len(parts) != 5 {
		t.Fatalf("no signature of AWS's: %q", head.Get("Authorization"))
	}
	at, err := time.Parse("20060102T150405Z", head.Get("X-Amz-Date"))
	if err != nil {
		t.Fatal(err)
	}
	s := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = parts[3] == "s3" })
	if err := s.SignHTTP(context.Background(), keys, r, fmt.Sprintf("%x", sha256.Sum256([]byte(body))), parts[3], parts[2], at); err != nil {
		t.Fatal(err)
	}
	return r.Header.Get("Authorization")
}
