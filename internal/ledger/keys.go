package ledger

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/offprint/offprint"
)

// An APIKey stands for an identity. Of its secret only the SHA-256 is kept.
type APIKey struct {
	ID       string
	Name     string
	Prefix   string // what of the secret may be shown, to tell keys apart
	Who      offprint.Identity
	Created  time.Time
	Expires  time.Time // zero: never
	LastUsed time.Time // to the minute
	Revoked  time.Time
}

// AddKey records a key under the hash of its secret; without an ID it gets one.
func (l *Ledger) AddKey(ctx context.Context, k APIKey, hash []byte) (APIKey, error) {
	if k.ID == "" {
		k.ID = newID("key_")
	}
	k.Created = l.now()
	_, err := l.db.ExecContext(ctx, `INSERT INTO api_keys (id, name, prefix, hash, who, created, expires) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		k.ID, k.Name, k.Prefix, hex.EncodeToString(hash), text(k.Who), stamp(k.Created), stamp(k.Expires))
	if err != nil {
		return k, fmt.Errorf("record the key: %w", err)
	}
	return k, nil
}

const findKey = `SELECT id, name, prefix, who, created, expires, last_used, revoked FROM api_keys `

func scanKey(row interface{ Scan(...any) error }) (k APIKey, err error) {
	var who string
	var created, expires, used, revoked int64
	if err := row.Scan(&k.ID, &k.Name, &k.Prefix, &who, &created, &expires, &used, &revoked); err != nil {
		return k, err
	}
	k.Created, k.Expires, k.LastUsed, k.Revoked = at(created), at(expires), at(used), at(revoked)
	return k, read(who, &k.Who)
}

// Keys are all keys, also those revoked, in the order they were made.
func (l *Ledger) Keys(ctx context.Context) ([]APIKey, error) {
	var all []APIKey
	err := each(ctx, l.reader, findKey+`ORDER BY created, id`, nil, func(rows *sql.Rows) error {
		k, err := scanKey(rows)
		all = append(all, k)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list keys: %w", err)
	}
	return all, nil
}

// RevokeKey makes a key worthless from now on; once more changes nothing.
func (l *Ledger) RevokeKey(ctx context.Context, id string) error {
	known, err := exec(ctx, l.db, `UPDATE api_keys SET revoked = CASE WHEN revoked = 0 THEN $1 ELSE revoked END WHERE id = $2`, stamp(l.now()), id)
	if err != nil {
		return fmt.Errorf("revoke the key: %w", err)
	}
	if !known {
		return offprint.Errorf(offprint.NotFound, "There is no key %s.", id)
	}
	return nil
}

// KeyByHash is the key whose secret has this SHA-256. One that is unknown,
// revoked or expired is Unauthenticated.
func (l *Ledger) KeyByHash(ctx context.Context, hash []byte) (APIKey, error) {
	reading, cancel := context.WithTimeout(ctx, readLimit)
	defer cancel()
	k, err := scanKey(l.reader.QueryRowContext(reading, findKey+`WHERE hash = $1`, hex.EncodeToString(hash)))
	now := l.now()
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return k, offprint.Errorf(offprint.Unauthenticated, "This API key is not known here.")
	case err != nil:
		return k, fmt.Errorf("look the key up: %w", err)
	case !k.Revoked.IsZero():
		return k, offprint.Errorf(offprint.Unauthenticated, "This API key was revoked.")
	case !k.Expires.IsZero() && !now.Before(k.Expires):
		return k, offprint.Errorf(offprint.Unauthenticated, "This API key has expired.")
	}
	l.used(reading, &k, now)
	return k, nil
}

// used remembers when a key was last used, at most once a minute. Nobody is
// turned away because that cannot be written.
func (l *Ledger) used(ctx context.Context, k *APIKey, now time.Time) {
	if now.Sub(k.LastUsed) < time.Minute {
		return
	}
	_, err := l.db.ExecContext(ctx, `UPDATE api_keys SET last_used = $1 WHERE id = $2`, stamp(now), k.ID)
	if err != nil {
		l.o.Log.WarnContext(ctx, "the use of an API key is not recorded", "key", k.ID, "err", err)
		return
	}
	k.LastUsed = now
}

// Secret is 32 random bytes, made on first use and the same ever after, in
// every process.
func (l *Ledger) Secret(ctx context.Context) ([]byte, error) {
	l.secret.Lock()
	defer l.secret.Unlock()
	if l.secret.known == nil {
		secret, err := l.lasting(ctx, "secret", 32)
		if err != nil {
			return nil, err
		}
		l.secret.known = secret
	}
	return bytes.Clone(l.secret.known), nil
}

// ID tells this ledger from every other, wherever it is reached. A copy of the
// database has the same.
func (l *Ledger) ID(ctx context.Context) (string, error) {
	id, err := l.lasting(ctx, "id", 16)
	return hex.EncodeToString(id), err
}

const findSetting = `SELECT value FROM settings WHERE name = $1`

// lasting is a setting of random bytes, made on first use.
func (l *Ledger) lasting(ctx context.Context, name string, size int) ([]byte, error) {
	var value string
	err := one(ctx, l.reader, findSetting, []any{name}, &value)
	if errors.Is(err, sql.ErrNoRows) {
		err = l.makeLasting(ctx, name, size, &value)
	}
	if err != nil {
		return nil, fmt.Errorf("read the ledger's %s: %w", name, err)
	}
	return hex.DecodeString(value)
}

// makeLasting has the value of whoever was first.
func (l *Ledger) makeLasting(ctx context.Context, name string, size int, value *string) error {
	fresh := make([]byte, size)
	if _, err := rand.Read(fresh); err != nil {
		return err
	}
	return l.step(ctx, "make the "+name, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING`, name, hex.EncodeToString(fresh))
		if err != nil {
			return err
		}
		return tx.QueryRowContext(ctx, findSetting, name).Scan(value)
	})
}
