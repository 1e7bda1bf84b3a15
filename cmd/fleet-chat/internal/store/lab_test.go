package store

import (
	"os"
	"testing"

	bolt "go.etcd.io/bbolt"
)

// entries is how many keys a bucket has.
func entries(t *testing.T, s *Store, bucket []byte) (n int) {
	t.Helper()
	check(t, s.view(func(tx *bolt.Tx) error {
		n = tx.Bucket(bucket).Stats().KeyN
		return nil
	}))
	return n
}

func mode(t *testing.T, path string) string {
	t.Helper()
	info, err := os.Stat(path)
	check(t, err)
	return info.Mode().String()
}
