package redistest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// Files are what a client shows and trusts, PEM.
type Files struct {
	// CAFile signed the certificates of servers and clients; OtherCAFile signed nothing.
	CAFile, OtherCAFile string
	// CertFile and KeyFile are a client's. Those of OtherCertFile were signed by the other authority.
	CertFile, KeyFile           string
	OtherCertFile, OtherKeyFile string

	serverCert, serverKey string
}

// newFiles makes two authorities and their certificates in dir.
func newFiles(dir string) (*Files, error) {
	in := func(name string) string { return filepath.Join(dir, name) }
	f := &Files{
		CAFile: in("ca.crt"), OtherCAFile: in("other-ca.crt"), CertFile: in("client.crt"), KeyFile: in("client.key"),
		OtherCertFile: in("other.crt"), OtherKeyFile: in("other.key"), serverCert: in("server.crt"), serverKey: in("server.key"),
	}
	ours, err := newAuthority(f.CAFile)
	if err != nil {
		return nil, err
	}
	other, err := newAuthority(f.OtherCAFile)
	if err != nil {
		return nil, err
	}
	return f, errors.Join(ours.sign(f.serverCert, f.serverKey), ours.sign(f.CertFile, f.KeyFile), other.sign(f.OtherCertFile, f.OtherKeyFile))
}

// server are the settings of a server that speaks TLS alone, and asks everybody for a certificate.
func (f *Files) server() []string {
	return []string{
		"--tls-cert-file", f.serverCert, "--tls-key-file", f.serverKey, "--tls-ca-cert-file", f.CAFile, "--tls-auth-clients", "yes",
		"--tls-replication", "yes",
	}
}

// client are the settings of redis-cli.
func (f *Files) client() []string {
	return []string{"--tls", "--cacert", f.CAFile, "--cert", f.CertFile, "--key", f.KeyFile}
}

type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority(file string) (authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return authority{}, err
	}
	template := certificate("authority")
	template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
	raw, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return authority{}, err
	}
	read, err := x509.ParseCertificate(raw)
	return authority{read, key}, errors.Join(err, writePEM(file, "CERTIFICATE", raw))
}

func certificate(name string) *x509.Certificate {
	serial, _ := rand.Int(rand.Reader, big.NewInt(1<<62)) // never fails
	return &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(24 * time.Hour),
	}
}

// sign makes a certificate for this machine, for servers and clients.
func (a authority) sign(certFile, keyFile string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := certificate("redis")
	template.KeyUsage, template.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	template.DNSNames, template.IPAddresses = []string{"localhost"}, []net.IP{net.IPv4(127, 0, 0, 1)}
	raw, err := x509.CreateCertificate(rand.Reader, template, a.certificate, &key.PublicKey, a.key)
	if err != nil {
		return err
	}
	private, err := x509.MarshalECPrivateKey(key)
	return errors.Join(err, writePEM(certFile, "CERTIFICATE", raw), writePEM(keyFile, "EC PRIVATE KEY", private))
}

func writePEM(file, kind string, raw []byte) error {
	return os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: raw}), 0o600)
}
