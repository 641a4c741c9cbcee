package desk

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/ledger"
)

// A webhook's secret has to be read again, so it is encrypted: by a key that
// the server's secret makes, and for that webhook alone.

// freshSecret is a new one, sealed by the newest of the server's secrets.
func (d *Desk) freshSecret(ctx context.Context, webhook string) (ledger.SealedSecret, error) {
	secrets, err := d.secrets(ctx)
	if err != nil {
		return ledger.SealedSecret{}, err
	}
	fresh := make([]byte, secretSize)
	rand.Read(fresh)
	return ledger.SealedSecret{Sealed: seal(secrets[0], webhook, fresh)}, nil
}

func seal(by []byte, webhook string, secret []byte) []byte {
	return box(by).Seal(nil, nil, secret, []byte(webhook))
}

// box seals with a random nonce of its own.
func box(by []byte) cipher.AEAD {
	block, err := aes.NewCipher(sign(by, forWebhooks, nil))
	if err != nil {
		panic(err) // of a key that is not 32 bytes long
	}
	sealer, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err) // of a cipher that is not AES
	}
	return sealer
}

// unsealSecrets are those that sign now, newest first.
func (d *Desk) unsealSecrets(ctx context.Context, h *Webhook) ([][]byte, error) {
	sealers, err := d.sealers(ctx)
	if err != nil {
		return nil, err
	}
	var all [][]byte
	for i, s := range h.Secrets {
		if !s.Until.IsZero() && !s.Until.After(d.Now()) {
			continue
		}
		secret, err := unseal(sealers, h.ID, s.Sealed)
		if err == nil {
			all = append(all, secret)
			continue
		}
		if i == 0 { // without an earlier one nothing changes
			return nil, titled(offprint.Errorf(offprint.NotConfigured, "The server's own secrets have changed since it was made. Rotate the webhook's secret, and use the new one.").Because(err), "Its secret cannot be read any more")
		}
	}
	return all, nil
}

// sealers are all that may have sealed something, newest first: before any
// were configured, the ledger's own did.
func (d *Desk) sealers(ctx context.Context) ([][]byte, error) {
	own, err := d.Ledger.Secret(ctx)
	return append(d.Secrets[:len(d.Secrets):len(d.Secrets)], own), err
}

func unseal(sealers [][]byte, webhook string, sealed []byte) ([]byte, error) {
	err := errors.New("nothing seals")
	for _, by := range sealers {
		var secret []byte
		if secret, err = box(by).Open(nil, nil, sealed, []byte(webhook)); err == nil {
			return secret, nil
		}
	}
	return nil, err
}

// resealAll seals the secrets of webhooks by the newest of the server's own, so
// that an older one is needed no more once a server has run with both.
func (d *Desk) resealAll(ctx context.Context) error {
	sealers, err := d.sealers(ctx)
	if err != nil {
		return err
	}
	for after := ""; ; {
		page, err := d.Ledger.WebhooksAfter(ctx, after, batch)
		if err != nil || len(page) == 0 {
			return err
		}
		for i := range page {
			if err := d.reseal(ctx, sealers, &page[i]); err != nil {
				return err
			}
		}
		after = page[len(page)-1].ID
	}
}

func (d *Desk) reseal(ctx context.Context, sealers [][]byte, h *Webhook) error {
	anew := make([]ledger.SealedSecret, len(h.Secrets))
	changed := false
	for i, s := range h.Secrets {
		anew[i] = s
		if _, err := unseal(sealers[:1], h.ID, s.Sealed); err == nil {
			continue
		}
		if secret, err := unseal(sealers, h.ID, s.Sealed); err == nil {
			anew[i].Sealed, changed = seal(sealers[0], h.ID, secret), true
		}
	}
	if !changed {
		return nil
	}
	err := d.Ledger.ChangeSecrets(ctx, h.ID, h.Secrets, anew)
	if offprint.CodeOf(err) == offprint.Conflict { // it was rotated just now, or deleted; the next sweep looks again
		return nil
	}
	return err
}
