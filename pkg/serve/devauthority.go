package serve

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"
)

const (
	devAuthorityLife = 10 * 365 * 24 * time.Hour
	devLeafLife      = 397 * 24 * time.Hour
	devRenewBefore   = 30 * 24 * time.Hour
)

// DevelopmentAuthority makes, in dir, an authority of its own and certificates for both ends of the plane on this
// machine (ECDSA P-256; localhost, 127.0.0.1, ::1), and returns their files. What is there and valid for another month is
// used again. Files with keys have mode 0600 and are replaced as a whole. It is for development: the authority's key
// lies beside the certificates.
func DevelopmentAuthority(dir string) (management, gateway TLSFiles, err error) {
	return developmentAuthority(dir, time.Now())
}

func developmentAuthority(dir string, now time.Time) (management, gateway TLSFiles, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return management, gateway, err
	}
	authority, err := devAuthorityIn(dir, now)
	if err != nil {
		return management, gateway, fmt.Errorf("development authority in %s: %w", dir, err)
	}
	caFile := filepath.Join(dir, "ca.pem")
	if err := writeIfOther(caFile, pemCertificate(authority.certificate.Raw), 0o644); err != nil {
		return management, gateway, err
	}
	leaf := func(role Role) (TLSFiles, error) {
		path := filepath.Join(dir, string(role)+".pem")
		if err := devLeaf(path, authority, role, now); err != nil {
			return TLSFiles{}, fmt.Errorf("development certificate of %s: %w", role, err)
		}
		// One file for certificate and key: they cannot be seen half replaced.
		return TLSFiles{CertFile: path, KeyFile: path, CAFile: caFile}, nil
	}
	if management, err = leaf(RoleManagement); err != nil {
		return management, gateway, err
	}
	gateway, err = leaf(RoleGateway)
	return management, gateway, err
}

type devPair struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// devAuthorityIn reads the authority or makes it. Two processes that start at once agree on the one that came first.
func devAuthorityIn(dir string, now time.Time) (devPair, error) {
	path := filepath.Join(dir, "authority.pem")
	old, err := readPair(path)
	if err == nil && now.Before(old.certificate.NotAfter.Add(-devRenewBefore)) && !now.Before(old.certificate.NotBefore) {
		return old, os.Chmod(path, 0o600)
	}
	missing := errors.Is(err, fs.ErrNotExist)
	if err != nil && !missing {
		return devPair{}, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return devPair{}, err
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "Gatehouse development authority"},
		NotBefore:             now.Add(-time.Hour),
		NotAfter:              now.Add(devAuthorityLife),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}
	text, err := signPair(template, template, key, key)
	if err != nil {
		return devPair{}, err
	}
	write := writeWhole
	if missing {
		write = writeNew
	}
	if err := write(path, text, 0o600); err != nil && !errors.Is(err, fs.ErrExist) {
		return devPair{}, err
	}
	return readPair(path)
}

// devLeaf keeps the certificate at path or makes another one.
func devLeaf(path string, authority devPair, role Role, now time.Time) error {
	identity, err := url.Parse(Identity("", role))
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: "Gatehouse " + string(role)},
		NotBefore:   now.Add(-time.Hour),
		NotAfter:    now.Add(devLeafLife),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		DNSNames:    []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		URIs:        []*url.URL{identity},
	}
	if old, err := readPair(path); err == nil && devLeafUsable(old.certificate, authority.certificate, template, now) {
		return os.Chmod(path, 0o600)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	text, err := signPair(template, authority.certificate, key, authority.key)
	if err != nil {
		return err
	}
	return writeWhole(path, text, 0o600)
}

func devLeafUsable(leaf, authority, wanted *x509.Certificate, now time.Time) bool {
	return leaf.CheckSignatureFrom(authority) == nil &&
		!now.Before(leaf.NotBefore) && now.Before(leaf.NotAfter.Add(-devRenewBefore)) &&
		len(leaf.URIs) == 1 && leaf.URIs[0].String() == wanted.URIs[0].String() &&
		slices.Equal(leaf.DNSNames, wanted.DNSNames) &&
		slices.EqualFunc(leaf.IPAddresses, wanted.IPAddresses, net.IP.Equal)
}

// signPair makes the PEM text of a certificate and its key.
func signPair(template, parent *x509.Certificate, key, signer *ecdsa.PrivateKey) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	template.SerialNumber = serial.Add(serial, big.NewInt(1))
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		return nil, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return append(pemCertificate(der), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})...), nil
}

func pemCertificate(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// readPair reads what signPair made and checks that both parts belong together.
func readPair(path string) (devPair, error) {
	text, err := readBounded(path)
	if err != nil {
		return devPair{}, err
	}
	certificate, rest := pem.Decode(text)
	private, _ := pem.Decode(rest)
	if certificate == nil || private == nil {
		return devPair{}, fmt.Errorf("%s: not a certificate with its key", path)
	}
	var p devPair
	if p.certificate, err = x509.ParseCertificate(certificate.Bytes); err != nil {
		return devPair{}, fmt.Errorf("%s: %w", path, err)
	}
	key, err := x509.ParsePKCS8PrivateKey(private.Bytes)
	if err != nil {
		return devPair{}, fmt.Errorf("%s: %w", path, err)
	}
	var ok bool
	if p.key, ok = key.(*ecdsa.PrivateKey); !ok || !p.key.PublicKey.Equal(p.certificate.PublicKey) {
		return devPair{}, fmt.Errorf("%s: the key does not belong to the certificate", path)
	}
	return p, nil
}

func writeIfOther(path string, text []byte, mode fs.FileMode) error {
	if old, err := readBounded(path); err == nil && bytes.Equal(old, text) {
		return nil
	}
	return writeWhole(path, text, mode)
}

// writeWhole replaces a file; readers see the old text or the new one.
func writeWhole(path string, text []byte, mode fs.FileMode) error {
	return writeVia(path, text, mode, os.Rename)
}

// writeNew makes a file, or fails with [fs.ErrExist] if there is one.
func writeNew(path string, text []byte, mode fs.FileMode) error {
	return writeVia(path, text, mode, os.Link)
}

func writeVia(path string, text []byte, mode fs.FileMode, place func(from, to string) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // nothing is there after a rename
	_, err = f.Write(text)
	if err == nil {
		err = f.Chmod(mode)
	}
	if err == nil {
		err = f.Sync()
	}
	if closing := f.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return err
	}
	return place(f.Name(), path)
}
