package identity

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"

	"github.com/offprint/offprint"
)

const keyPrefix = "opk_"

// NewKey is a fresh API key, to be shown once. What is kept is its Hash, and
// its first characters, by which people know it again.
func NewKey() (key, shown string) {
	key = keyPrefix + base64.RawURLEncoding.EncodeToString(random(32))
	return key, key[:len(keyPrefix)+6]
}

// random never fails: where the machine has no random numbers, the program ends.
func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

// Hash is what is kept of an API key. A fast hash will do: the key is random.
func Hash(key string) []byte {
	sum := sha256.Sum256([]byte(key))
	return sum[:]
}

func (c *Checker) byKey(ctx context.Context, key string) (offprint.Identity, error) {
	refused := unauthenticated("This API key is not known, has expired or was revoked.")
	if c.Keys == nil {
		return offprint.Identity{}, refused
	}
	who, err := c.Keys(ctx, Hash(key))
	if offprint.CodeOf(err) == offprint.NotFound {
		return offprint.Identity{}, refused
	}
	if err == nil && who.User == "" { // a key that stands for nobody asks in its own name
		who.User = "key:" + who.Key.Name
	}
	return who, err
}
