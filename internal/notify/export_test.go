package notify

import (
	"crypto/x509"
	"net"
	"time"
)

// For tests, which call servers of this machine by names of their own.
func (w *Webhooks) Trust(authority *x509.CertPool)    { w.tls.RootCAs = authority }
func (w *Webhooks) Resolve(by *net.Resolver)          { w.dialer.Resolver = by }
func (w *Webhooks) Patience(d time.Duration)          { w.patience = d }
func (w *Webhooks) RetryAfter(h string) time.Duration { return w.retryAfter(h) }

// Pauses are those between two tries.
var Pauses = pauses
