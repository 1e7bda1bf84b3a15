package sigv4

import (
	"context"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// The examples of Amazon's documentation of S3 and of its published test suite.
func TestExamples(t *testing.T) {
	const empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	s3 := func(method, target, want, signed, hash string, more ...string) {
		t.Helper()
		h := http.Header{DateField: {"20130524T000000Z"}, HashField: {hash}}
		for i := 0; i < len(more); i += 2 {
			h.Set(more[i], more[i+1])
		}
		sc := Scope{"AKIAIOSFODNN7EXAMPLE", "20130524", "us-east-1", "s3", strings.Split(signed, ";")}
		got := sc.Sign([]byte("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"), Request{method, "examplebucket.s3.amazonaws.com", target, h, hash})
		if !strings.HasSuffix(got, "SignedHeaders="+signed+", Signature="+want) {
			t.Errorf("%s %s: got %s, want %s", method, target, got, want)
		}
	}
	s3("GET", "/test.txt", "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
		"host;range;x-amz-content-sha256;x-amz-date", empty, "Range", "bytes=0-9")
	s3("PUT", "/test$file.text", "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
		"date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class", "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
		"Date", "Fri, 24 May 2013 00:00:00 GMT", "X-Amz-Storage-Class", "REDUCED_REDUNDANCY")
	s3("GET", "/?lifecycle", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
		"host;x-amz-content-sha256;x-amz-date", empty)
	s3("GET", "/?max-keys=2&prefix=J", "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
		"host;x-amz-content-sha256;x-amz-date", empty)

	sc := Scope{"AKIDEXAMPLE", "20150830", "us-east-1", "service", nil}
	got := sc.Sign([]byte("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"), Request{
		"GET", "example.amazonaws.com", "/", http.Header{DateField: {"20150830T123600Z"}}, empty,
	})
	if !strings.HasSuffix(got, "Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31") {
		t.Errorf("get-vanilla: got %s", got)
	}
}

// The same as Amazon's own client signs, for requests of all forms.
func TestAsAmazonsClient(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	some := func(list ...string) string { return list[r.IntN(len(list))] }
	text := func() string {
		return some("a", "b/c", "x y", "\u00fc", "a+b", "~", "=&?", "", "%2F", "(1)", "*", "two  spaces", "A,b")
	}
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	for range 3000 {
		service := some("s3", "sts", "execute-api", "s3-outposts", "dynamodb")
		path := "/" + encode(text(), "/") + some("", "/", "/"+encode(text(), ""))
		query := url.Values{}
		for range r.IntN(4) {
			query.Add(text(), text())
		}
		target := path
		if len(query) > 0 {
			target += "?" + query.Encode()
		}
		req, err := http.NewRequestWithContext(context.Background(), some("GET", "PUT", "POST", "DELETE"), "https://a.example.test"+target, nil)
		if err != nil {
			t.Fatal(err)
		}
		for range r.IntN(4) {
			req.Header.Add(some("X-Amz-Meta-A", "X-Amz-Target", "Content-Type", "Cache-Control"), some("a", " b  c ", "d,e"))
		}
		hash := some(HashOf([]byte("body")), Unsigned, UnsignedStreaming)
		if strings.HasPrefix(service, "s3") {
			req.Header.Set(HashField, hash)
		}
		secret := "secret/" + text() + "/key"
		signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = strings.HasPrefix(service, "s3") })
		creds := aws.Credentials{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: secret}
		if err := signer.SignHTTP(context.Background(), creds, req, hash, service, "eu-central-1", at); err != nil {
			t.Fatal(err)
		}
		want := req.Header.Get("Authorization")
		sc, err := Parse(want)
		if err != nil || !sc.IsDate(req.Header.Get(DateField)) {
			t.Fatalf("%s: %v", want, err)
		}
		got := sc.Sign([]byte(secret), Request{req.Method, "a.example.test", target, req.Header, hash})
		if got != want {
			t.Fatalf("%s %s %v\ngot  %s\nwant %s", req.Method, target, req.Header, got, want)
		}
	}
}

// What does not go out, or would be changed on its way, is not signed.
func TestSigned(t *testing.T) {
	sc := Scope{Fields: []string{"accept", "connection", "content-length", "host", "user-agent", "x-amz-date", "x-amz-security-token"}}
	got := sc.signed(http.Header{"User-Agent": {"x"}, "Connection": {"x"}, "X-Amz-Date": {"x"}, "X-Amz-Target": {"x"}, "Cookie": {"x"}, "Content-Type": {"x"}})
	if want := "content-type;host;user-agent;x-amz-date;x-amz-target"; strings.Join(got, ";") != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestParseRefuses(t *testing.T) {
	good := Algorithm + " Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=host;x-amz-date, Signature=00"
	if _, err := Parse(good); err != nil {
		t.Error(err)
	}
	for _, change := range [][2]string{
		{Algorithm, "AWS4-ECDSA-P256-SHA256"},
		{"aws4_request", "aws4"},
		{"20130524", "2013"},
		{"us-east-1", "us east"},
		{"/s3/", "/"},
		{"SignedHeaders=host;x-amz-date", "SignedHeaders="},
		{"host;", "Host;"},
		{", Signature=00", ""},
		{"Signature=00", "Signature=00, More=1"},
		{"AKIAIOSFODNN7EXAMPLE", "short"},
		{Algorithm + " ", Algorithm},
	} {
		if sc, err := Parse(strings.Replace(good, change[0], change[1], 1)); err == nil {
			t.Errorf("%v: got %+v", change, sc)
		}
	}
	sc, _ := Parse(good)
	for date, want := range map[string]bool{"20130524T000000Z": true, "20130525T000000Z": false, "": false, "20130524": false} {
		if sc.IsDate(date) != want {
			t.Errorf("date %q", date)
		}
	}
	for hash, want := range map[string]bool{
		Unsigned: true, UnsignedStreaming: true, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD": false, HashOf(nil): true, "": false, "00": false,
	} {
		if IsHash(hash) != want {
			t.Errorf("hash %q", hash)
		}
	}
}

// FuzzParse: nothing that is read panics when it is signed.
func FuzzParse(f *testing.F) {
	f.Add(Algorithm+" Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=host,Signature=00", "/a%2", "a=%&&=b")
	f.Fuzz(func(t *testing.T, authorization, path, query string) {
		sc, err := Parse(authorization)
		if err != nil {
			sc = Scope{Service: "s3"}
		}
		got := sc.Sign([]byte("key"), Request{"GET", "host", path + "?" + query, http.Header{DateField: {"x"}}, Unsigned})
		if !strings.HasPrefix(got, Algorithm+" Credential=") || strings.ContainsAny(got, "\r\n") {
			t.Errorf("got %q", got)
		}
	})
}
