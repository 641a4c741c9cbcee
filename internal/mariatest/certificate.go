package mariatest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Certificate is the file with which a client of the server behind a URL
// trusts it, at 127.0.0.1.
func Certificate(url string) string {
	_, socket, _ := strings.Cut(url, "?socket=")
	return filepath.Join(filepath.Dir(socket), "cert.pem")
}

// certify makes the server's key, and a certificate that vouches for itself.
func (s *Server) certify() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	form := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	certificate, err := x509.CreateCertificate(rand.Reader, form, form, &key.PublicKey, key)
	if err != nil {
		return err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return errors.Join(s.writePEM("cert.pem", "CERTIFICATE", certificate), s.writePEM("key.pem", "PRIVATE KEY", secret))
}

// writePEM writes what the server's user may read; the folder is nobody else's.
func (s *Server) writePEM(name, kind string, bytes []byte) error {
	return os.WriteFile(filepath.Join(s.Dir, name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: bytes}), 0o644)
}
