package broker

import (
	"bufio"
	"encoding/base64"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/textproto"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"fleet/cmd/fleet-gate/internal/head"
	"fleet/cmd/fleet-gate/internal/judge"
	"fleet/cmd/fleet-gate/internal/vault"
	"fleet/schemas/policy"
)

// Placeholders and values of the secrets in these tests.
const (
	keyPH, keyValue = "sk-ant-fleet-placeholder-KEY-0123456789", "sk-ant-real-key+/=value"
	ghPH, ghValue   = "ghp_fleet-placeholder-GH-0123456789", "ghp_realTokenOfGitHub"
	npmPH, npmValue = "fleet-placeholder-NPM-0123456789abcdef", "npm p\u00e4ss:word"
	awsPH, awsValue = "fleet-placeholder-AWS-0123456789abcdef", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	accessKey       = "AKIAIOSFODNN7EXAMPLE"
)

func secrets() []policy.Secret {
	web := []int{443}
	return []policy.Secret{
		{Name: "KEY", Placeholder: keyPH, Hosts: []string{"api.test"}, Ports: web, Header: "X-Api-Key", Query: "key", Paths: []string{"/v1/*"}},
		{Name: "GH", Placeholder: ghPH, Hosts: []string{"api.test", "*.git.test"}, Ports: web, Bearer: true, Basic: true},
		{Name: "NPM", Placeholder: npmPH, Hosts: []string{"npm.test"}, Ports: web, Basic: true, Methods: []string{"GET", "PUT"}},
		{Name: "AWS", Placeholder: awsPH, Hosts: []string{"s3.test"}, Ports: web, SigV4: accessKey},
	}
}

// desk is a broker and the policy that it works for.
type desk struct {
	t       testing.TB
	broker  *Broker
	matcher *policy.Matcher
}

func newDesk(t testing.TB) *desk {
	t.Helper()
	dir := t.TempDir()
	for name, value := range map[string]string{"KEY": keyValue, "GH": ghValue, "NPM": npmValue, "AWS": awsValue, "GH.previous": "ghp_thePreviousToken"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(value), 0o400); err != nil {
			t.Fatal(err)
		}
	}
	p := policy.Policy{
		Version: policy.Version, Project: "demo", Agent: "lead", Mode: policy.Off, Secrets: secrets(), Quoting: []string{"talk.test"},
	}
	v, err := vault.Open(dir, p.Secrets)
	if err != nil {
		t.Fatal(err)
	}
	m, err := p.Compile()
	if err != nil {
		t.Fatal(err)
	}
	return &desk{t, New(v), m}
}

// look reads a request "METHOD SCHEME://HOST/TARGET" with fields, and has the broker look at it.
func (d *desk) look(line string, fields ...string) (*Use, *head.Request, *judge.Refusal) {
	d.t.Helper()
	method, url, _ := strings.Cut(line, " ")
	scheme, rest, _ := strings.Cut(url, "://")
	host, target, _ := strings.Cut(rest, "/")
	req, err := head.Read(bufio.NewReader(strings.NewReader(method + " /" + target + " HTTP/1.1\r\nHost: " + host + "\r\n" +
		strings.Join(append(fields, ""), "\r\n") + "\r\n")))
	if err != nil {
		d.t.Fatal(err)
	}
	q := policy.Request{Kind: policy.KindHTTPS, Host: host, Port: 443, Method: method, Path: req.Target}
	if scheme == "http" {
		q.Kind, q.Port = policy.KindHTTP, 80
	}
	x := d.matcher.Decide(q)
	if !x.Allow {
		d.t.Fatalf("%s: %+v", line, x)
	}
	u, r := d.broker.Look(x.Held, req, x.Path)
	delete(req.Header, "Host")
	return u, req, r
}

func basic(user, password string) string {
	return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

// shown is a head as text: its fields, and the target where it has changed.
func shown(u *Use, req *head.Request) string {
	var out []string
	if u.Target != req.Target {
		out = append(out, u.Target)
	}
	for _, name := range slices.Sorted(maps.Keys(req.Header)) {
		for _, v := range req.Header[name] {
			out = append(out, name+": "+v)
		}
	}
	return strings.Join(out, "\n")
}

// E19: the value goes in at each place of a secret, and there alone; nothing else of the request changes.
func TestEGRE19Put(t *testing.T) {
	d := newDesk(t)
	for _, c := range []struct{ line, field, want, names string }{
		{"GET https://api.test/v1/x", "X-Api-Key: " + keyPH, "X-Api-Key: " + keyValue, "KEY"},
		{"GET https://api.test/v1/x", "x-api-key: " + keyPH, "X-Api-Key: " + keyValue, "KEY"},
		{"GET https://api.test/v1/x?a=1&key=" + keyPH + "&b=%2F", "", "/v1/x?a=1&key=sk-ant-real-key%2B%2F%3Dvalue&b=%2F", "KEY"},
		{"GET https://api.test/v1/x?k%65y=sk%2Dant" + keyPH[6:], "", "/v1/x?k%65y=sk-ant-real-key%2B%2F%3Dvalue", "KEY"},
		{"GET https://api.test/", "Authorization: Bearer " + ghPH, "Authorization: Bearer " + ghValue, "GH"},
		{"GET https://api.test/", "Authorization: token " + ghPH, "Authorization: token " + ghValue, "GH"},
		{"GET https://api.test/", "Authorization: bEARER   " + ghPH, "Authorization: bEARER " + ghValue, "GH"},
		{"POST https://x.git.test/", basic("me", ghPH), basic("me", ghValue), "GH"},
		{"POST https://x.git.test/", basic("", ghPH), basic("", ghValue), "GH"},
		{"POST https://x.git.test/", strings.TrimRight(basic("user", ghPH), "="), basic("user", ghValue), "GH"},
		{"PUT https://npm.test/", basic("me", npmPH), basic("me", npmValue), "NPM"},
		{"GET https://api.test/v1/x", "X-Other: " + keyPH[:len(keyPH)-1], "X-Other: " + keyPH[:len(keyPH)-1], ""},
		{"GET https://api.test/?", "Accept: a, b", "Accept: a, b", ""},
		{"GET https://other.test/?a=%zz&&b", "Cookie: mine", "Cookie: mine", ""},
	} {
		u, req, r := d.look(c.line, append([]string{}, []string{c.field}[:min(1, len(c.field))]...)...)
		if r != nil {
			t.Errorf("%s %s: %v", c.line, c.field, r)
			continue
		}
		if diff := cmp.Diff(c.want, shown(u, req)); diff != "" || strings.Join(u.Names, " ") != c.names || len(u.Dropped) > 0 {
			t.Errorf("%s %s: %q, dropped %q: %s", c.line, c.field, u.Names, u.Dropped, diff)
		}
	}
}

// E19, F5 to F11: anywhere else the request is refused, and its answer names the secret and where it belongs.
func TestEGRE19Misplaced(t *testing.T) {
	d := newDesk(t)
	b64 := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	for name, c := range map[string][]string{
		"other field":            {"KEY", "GET https://api.test/v1/x", "X-Other: " + keyPH},
		"field of another place": {"KEY", "GET https://api.test/v1/x", "Authorization: Bearer " + keyPH},
		"longer token":           {"KEY", "GET https://api.test/v1/x", "X-Api-Key: " + keyPH + "x"},
		"before it":              {"KEY", "GET https://api.test/v1/x", "X-Api-Key: x" + keyPH},
		"two words":              {"KEY", "GET https://api.test/v1/x", "X-Api-Key: " + keyPH + " " + keyPH},
		"bearer, longer":         {"GH", "GET https://api.test/", "Authorization: Bearer " + ghPH + "1"},
		"bearer, twice":          {"GH", "GET https://api.test/", "Authorization: Bearer " + ghPH + ", Bearer " + ghPH},
		"no scheme":              {"GH", "GET https://api.test/", "Authorization: " + ghPH},
		"other scheme":           {"GH", "GET https://api.test/", "Authorization: Digest " + ghPH},
		"base64 as bearer":       {"GH", "GET https://api.test/", "Authorization: Bearer " + b64(ghPH)},
		"URL base64 as bearer":   {"GH", "GET https://api.test/", "Authorization: Bearer " + base64.URLEncoding.EncodeToString([]byte("\xff\xfe"+ghPH))},
		"percent in a field":     {"GH", "GET https://api.test/", "Authorization: Bearer %67" + ghPH[1:]},
		"user name":              {"GH", "GET https://api.test/", basic(ghPH, "x")},
		"user name and password": {"GH", "GET https://api.test/", basic(ghPH, ghPH)},
		"password, longer":       {"GH", "GET https://api.test/", basic("me", ghPH+"x")},
		"Basic without a colon":  {"GH", "GET https://api.test/", "Authorization: Basic " + b64(ghPH)},
		"basic of a bearer one":  {"KEY", "GET https://api.test/v1/x", basic("me", keyPH)},
		"other host, F7, F8":     {"GH", "GET https://other.test/", "Authorization: Bearer " + ghPH},
		"host of another":        {"KEY", "GET https://npm.test/v1/x", "X-Api-Key: " + keyPH},
		"apex of a wildcard":     {"GH", "GET https://git.test/", "Authorization: Bearer " + ghPH},
		"quoting host":           {"GH", "GET https://talk.test/", "Authorization: Bearer " + ghPH},
		"other method":           {"NPM", "POST https://npm.test/", basic("me", npmPH)},
		"unknown method, F5":     {"GH", "SEARCH https://api.test/", "Authorization: Bearer " + ghPH},
		"OPTIONS, F5":            {"GH", "OPTIONS https://api.test/", "Authorization: Bearer " + ghPH},
		"other path, F6":         {"KEY", "GET https://api.test/v2/x", "X-Api-Key: " + keyPH},
		"path in another case":   {"KEY", "GET https://api.test/V1/x", "X-Api-Key: " + keyPH},
		"plain HTTP, F9":         {"GH", "GET http://api.test/", "Authorization: Bearer " + ghPH},
		"User-Agent, F10":        {"GH", "GET https://api.test/", "User-Agent: x/" + ghPH},
		"Referer, F10":           {"GH", "GET https://api.test/", "Referer: https://api.test/?" + ghPH},
		"Origin, F10":            {"GH", "GET https://api.test/", "Origin: https://" + ghPH},
		"Cookie, F10":            {"GH", "GET https://api.test/", "Cookie: a=1; b=" + ghPH},
		"X-Request-Id, F10":      {"GH", "GET https://api.test/", "X-Request-Id: " + ghPH},
		"Proxy-Authorization":    {"GH", "GET https://api.test/", "Proxy-Authorization: Basic " + b64("x:"+ghPH)},
		"name of a field":        {"KEY", "GET https://api.test/", "SK-" + keyPH[3:] + ": 1"},
		"path, F11":              {"KEY", "GET https://api.test/v1/" + keyPH, ""},
		"path, percent":          {"KEY", "GET https://other.test/v1/sk%2D" + keyPH[3:], ""},
		"path, percent twice":    {"KEY", "GET https://other.test/v1/sk%252D" + keyPH[3:], ""},
		"other parameter":        {"KEY", "GET https://api.test/v1/x?token=" + keyPH, ""},
		"name of a parameter":    {"KEY", "GET https://api.test/v1/x?" + keyPH + "=1", ""},
		"longer parameter":       {"KEY", "GET https://api.test/v1/x?key=" + keyPH + "1", ""},
		"parameter, semicolon":   {"KEY", "GET https://api.test/v1/x?a=1;key=" + keyPH, ""},
		"parameter elsewhere":    {"KEY", "GET https://other.test/v1/x?key=" + keyPH, ""},
		"key for signing":        {"AWS", "GET https://s3.test/", "X-Api-Key: " + awsPH},
		"two in a field":         {"GH", "GET https://api.test/", "Authorization: Bearer " + ghPH, "Authorization: token " + ghPH},
		"five, F19": {
			"KEY", "GET https://api.test/v1/x?key=" + keyPH + "&key=" + keyPH + "&key=" + keyPH + "&key=" + keyPH,
			"X-Api-Key: " + keyPH,
		},
	} {
		var fields []string
		for _, f := range c[2:] {
			if f != "" {
				fields = append(fields, f)
			}
		}
		_, _, r := d.look(c[1], fields...)
		if r == nil || r.Reason != policy.ReasonPlaceholder || r.Secret != c[0] {
			t.Errorf("%s: got %+v", name, r)
			continue
		}
		if !strings.Contains(r.Text, "The operator is told") || strings.Contains(r.Text, "-real") || strings.Contains(r.Text, "fleet-placeholder") {
			t.Errorf("%s: %s", name, r.Text)
		}
	}
	_, _, r := d.look("GET https://api.test/v1/x", "X-Other: "+keyPH)
	want := "the placeholder of the secret KEY stands in the field X-Other, where no secret is put in; it is replaced in the whole field X-Api-Key " +
		"or the parameter key of requests by HTTPS to api.test for /v1/*. The operator is told of this request, which was not sent"
	if diff := cmp.Diff(want, r.Text); diff != "" {
		t.Error(diff)
	}
}

// J3: where a secret goes, the agent's own credentials do not.
func TestCATJ3OwnDropped(t *testing.T) {
	d := newDesk(t)
	own := []string{
		"Authorization: Bearer mine", "Cookie: session=mine", "X-Api-Key: mine", "Api-Key: mine", "X-Goog-Api-Key: mine",
		"Private-Token: mine", "X-Auth-Token: mine", "X-Amz-Security-Token: mine", "Accept: text/plain",
	}
	u, req, r := d.look("GET https://api.test/v2/x?Key=mine&a=1", own...)
	if r != nil {
		t.Fatal(r)
	}
	if diff := cmp.Diff("/v2/x?a=1\nAccept: text/plain", shown(u, req)); diff != "" {
		t.Error(diff)
	}
	want := "?key Api-Key Authorization Cookie Private-Token X-Amz-Security-Token X-Api-Key X-Auth-Token X-Goog-Api-Key"
	if diff := cmp.Diff(want, strings.Join(u.Dropped, " ")); diff != "" {
		t.Error(diff)
	}
	// Beside one that is put in, and in its own field.
	u, req, r = d.look("GET https://api.test/v1/x?key=mine", "X-Api-Key: mine", "X-Api-Key: "+keyPH, "Authorization: Bearer "+ghPH, "Cookie: mine")
	if r != nil || shown(u, req) != "/v1/x\nAuthorization: Bearer "+ghValue+"\nX-Api-Key: "+keyValue {
		t.Errorf("got %v, %s", r, shown(u, req))
	}
	for _, line := range []string{"GET https://other.test/x?key=mine", "GET http://api.test/x?key=mine"} { // no secret goes there
		u, req, r = d.look(line, "Authorization: Bearer mine", "Cookie: mine")
		if r != nil || shown(u, req) != "Authorization: Bearer mine\nCookie: mine" || len(u.Dropped) > 0 {
			t.Errorf("%s: %v, %s", line, r, shown(u, req))
		}
	}
}

// F11: a placeholder in a body never goes out whole, however it is cut; on a quoting host it does, unchanged.
func TestCATF11Body(t *testing.T) {
	d := newDesk(t)
	text := strings.Repeat("x", 5000) + ghPH + "after"
	for name, from := range map[string]io.Reader{
		"whole": strings.NewReader(text), "bytes": iotest.OneByteReader(strings.NewReader(text)), "halves": iotest.HalfReader(strings.NewReader(text)),
	} {
		u, _, _ := d.look("POST https://api.test/v1/x")
		b, err := io.ReadAll(u.Body(from))
		var r *judge.Refusal
		if !errors.As(err, &r) || r.Secret != "GH" || string(b) != strings.Repeat("x", 5000) {
			t.Errorf("%s: %d bytes, %v", name, len(b), err)
		}
	}
	u, _, _ := d.look("POST https://talk.test/v1/x")
	if b, err := io.ReadAll(u.Body(strings.NewReader(text))); string(b) != text || err != nil || u.Guards() {
		t.Errorf("quoting: %d bytes, %v", len(b), err)
	}
	u, _, _ = d.look("POST https://api.test/v1/x")
	if r := u.Trailer(http.Header{"X-Sum": {"a", ghPH}}); r == nil || r.Secret != "GH" {
		t.Errorf("trailer: %v", r)
	}
	h := http.Header{"X-Sum": {"a"}, "Authorization": {"mine"}}
	if r := u.Trailer(h); r != nil || len(h) != 1 {
		t.Errorf("trailer: %v, %v", r, h)
	}
}

func signedBy(key, date string) string {
	return "Authorization: AWS4-HMAC-SHA256 Credential=" + key + "/" + date + "/us-east-1/s3/aws4_request, " +
		"SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token, Signature=" + strings.Repeat("0", 64)
}

// A request that the agent has signed with the placeholder is signed with the key.
func TestSignedAnew(t *testing.T) {
	d := newDesk(t)
	sum := strings.Repeat("e", 64)
	date := "X-Amz-Date: 20260102T030405Z"
	u, req, r := d.look("GET https://s3.test/b/k?x=1", signedBy(accessKey, "20260102"), date, "X-Amz-Content-Sha256: "+sum, "X-Amz-Security-Token: mine")
	if r != nil || u.Hashes() || strings.Join(u.Names, "") != "AWS" || strings.Join(u.Dropped, "") != "X-Amz-Security-Token" {
		t.Fatalf("%v, %+v", r, u)
	}
	out := &http.Request{Method: "GET", Host: "s3.test", Header: req.Header}
	u.Ask(out)
	got := out.Header.Get("Authorization")
	const want = "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20260102/us-east-1/s3/aws4_request, " +
		"SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature="
	if !strings.HasPrefix(got, want) || strings.HasSuffix(got, strings.Repeat("0", 64)) || len(out.Header["X-Amz-Security-Token"]) > 0 {
		t.Errorf("got %s", got)
	}
	u, _, r = d.look("GET https://s3.test/b/k", signedBy(accessKey, "20260102"), date)
	if r != nil || !u.Hashes() {
		t.Errorf("without a hash: %v", r)
	}
	u, req, r = d.look("GET https://s3.test/b/k", signedBy("AKIAIOSFODNN7ATTACKE", "20260102"), date)
	if r != nil || len(req.Header["Authorization"]) > 0 || strings.Join(u.Dropped, "") != "Authorization" {
		t.Errorf("another's key: %v, %v", r, req.Header)
	}
	u, req, r = d.look("OPTIONS https://s3.test/b/k", signedBy(accessKey, "20260102"), date)
	if r != nil || len(req.Header["Authorization"]) > 0 || len(u.Names) > 0 {
		t.Errorf("OPTIONS: %v, %v", r, req.Header)
	}
	for want, fields := range map[string][]string{
		"must have one X-Amz-Date":  {signedBy(accessKey, "20260102")},
		"must have one X-Amz-Date ": {signedBy(accessKey, "20260103"), date},
		"signed one by one":         {signedBy(accessKey, "20260102"), date, "X-Amz-Content-Sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD"},
		"must be AWS4-HMAC":         {strings.Replace(signedBy(accessKey, "20260102"), "HMAC-SHA256", "ECDSA-P256-SHA256", 1), date},
	} {
		_, _, r := d.look("PUT https://s3.test/b/k", fields...)
		if r == nil || r.Reason != judge.NotSigned || !strings.Contains(r.Text, strings.TrimSpace(want)) {
			t.Errorf("%s: %v", want, r)
		}
	}
	for _, query := range []string{"X-Amz-Signature=1", "x-amz-credential=" + accessKey, "AWSAccessKeyId=x&Signature=y"} {
		if _, _, r := d.look("GET https://s3.test/b/k?" + query); r == nil || r.Reason != judge.NotSigned {
			t.Errorf("%s: %v", query, r)
		}
	}
}

// E20: an answer is asked for without an encoding, and refused with one.
func TestEGRE20Answer(t *testing.T) {
	d := newDesk(t)
	u, req, _ := d.look("GET https://api.test/v1/x", "Accept-Encoding: gzip, br", "Sec-WebSocket-Extensions: permessage-deflate")
	out := &http.Request{Header: req.Header}
	u.Ask(out)
	if diff := cmp.Diff(http.Header{"Accept-Encoding": {"identity"}}, out.Header); diff != "" {
		t.Error(diff)
	}
	answer := func(fields ...string) *http.Response {
		h := http.Header{}
		for i := 0; i < len(fields); i += 2 {
			h.Add(textproto.CanonicalMIMEHeaderKey(fields[i]), fields[i+1])
		}
		return &http.Response{StatusCode: 200, Header: h, Body: io.NopCloser(strings.NewReader("a " + ghValue + " b ghp_thePreviousToken"))}
	}
	for _, coding := range []string{"gzip", "br", "zstd", "identity, gzip", "GZIP"} {
		if r := u.Answer(answer("Content-Encoding", coding)); r == nil || r.Reason != judge.Encoded {
			t.Errorf("%s: %v", coding, r)
		}
	}
	resp := answer("Location", "https://x.test/?t="+ghValue, "Content-Encoding", "identity")
	if r := u.Answer(resp); r != nil {
		t.Fatal(r)
	}
	b, _ := io.ReadAll(resp.Body)
	if text := string(b) + resp.Header.Get("Location"); strings.Contains(text, "real") || strings.Contains(text, "Previous") || len(b) != len("a "+ghValue+" b ghp_thePreviousToken") {
		t.Errorf("%d: %q", len(b), text)
	}
	u, _, _ = d.look("GET https://other.test/v1/x")
	resp = answer("Content-Encoding", "gzip")
	if r := u.Answer(resp); r != nil {
		t.Errorf("another host: %v", r)
	}
	u, _, _ = d.look("GET http://api.test/") // the same host without TLS may tell what it has seen
	resp = answer()
	u.Answer(resp)
	if b, _ := io.ReadAll(resp.Body); strings.Contains(string(b), "real") {
		t.Errorf("plain: %q", b)
	}
}

// Without a value nothing of the policy's goes out: it could be meant to be looked at.
func TestNoValue(t *testing.T) {
	d := newDesk(t)
	d.broker = New(nil)
	if _, _, r := d.look("GET https://other.test/"); r == nil || r.Reason != judge.NoValue {
		t.Errorf("got %v", r)
	}
}

// FuzzLook: whatever the head is, a value stands at places of its secret alone, and no placeholder goes out as it is.
func FuzzLook(f *testing.F) {
	d := newDesk(f)
	f.Add("GET", "/v1/x?key="+keyPH, "X-Api-Key", keyPH, "Authorization", "Bearer "+ghPH)
	f.Add("POST", "/v1/x", "Cookie", "a", "Authorization", basic("u", ghPH)[15:])
	f.Add("PUT", "/a", "Authorization", signedBy(accessKey, "20260102")[15:], "X-Amz-Date", "20260102T030405Z")
	f.Fuzz(func(t *testing.T, method, target, name1, value1, name2, value2 string) {
		for _, host := range []string{"api.test", "npm.test", "s3.test", "x.git.test", "other.test"} {
			text := method + " " + target + " HTTP/1.1\r\nHost: " + host + "\r\n" + name1 + ": " + value1 + "\r\n" + name2 + ": " + value2 + "\r\n\r\n"
			req, err := head.Read(bufio.NewReader(strings.NewReader(text)))
			if err != nil || strings.Contains(text, "real") {
				return
			}
			x := d.matcher.Decide(policy.Request{Kind: policy.KindHTTPS, Host: host, Port: 443, Method: req.Method, Path: req.Target})
			if !x.Allow {
				return
			}
			u, r := d.broker.Look(x.Held, req, x.Path)
			if r != nil {
				continue
			}
			out := &http.Request{Method: req.Method, Host: host, Header: req.Header}
			u.Ask(out)
			delete(out.Header, "Host")
			all := shown(u, &head.Request{Header: out.Header})
			for _, ph := range []string{keyPH, ghPH, npmPH, awsPH} {
				if strings.Contains(all, ph) {
					t.Fatalf("%s: goes out: %s", host, all)
				}
			}
			if n := strings.Count(all, "real") + strings.Count(all, base64.StdEncoding.EncodeToString([]byte("ghp_real"))[:9]); n > len(u.Names) {
				t.Fatalf("%s: %d values for %q: %s", host, n, u.Names, all)
			}
			if host == "other.test" && len(u.Names) > 0 {
				t.Fatalf("put in for another host: %s", all)
			}
			for name, values := range out.Header {
				for _, v := range values {
					if strings.Contains(v, ghValue) && (name != "Authorization" || host == "npm.test" || host == "s3.test") ||
						strings.Contains(v, keyValue) && (name != "X-Api-Key" || host != "api.test") {
						t.Fatalf("%s: %s: %s", host, name, v)
					}
				}
			}
		}
	})
}
