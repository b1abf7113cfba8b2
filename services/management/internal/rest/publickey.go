package rest

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	configv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/config/v1"
	managementv1 "github.com/gatehouse-am/gatehouse/proto/gatehouse/management/v1"
)

// publicForms returns the public key of a certificate for OpenSSH, and as the X.509 certificate.
func publicForms(c *configv1.Certificate) ([]*managementv1.CertificateKey, error) {
	block, _ := pem.Decode([]byte(c.GetCertificatePem()))
	if block == nil {
		return nil, fmt.Errorf("certificate %s: no PEM", c.GetId())
	}
	parsed, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("certificate %s: %w", c.GetId(), err)
	}
	form, kind, wire, err := sshKey(parsed.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("certificate %s: %w", c.GetId(), err)
	}
	line := kind + " " + base64.StdEncoding.EncodeToString(wire)
	if c.GetKid() != "" && !strings.ContainsAny(c.GetKid(), "\r\n") {
		line += " " + c.GetKid()
	}
	return []*managementv1.CertificateKey{
		{Fmt: form, Payload: line},
		{Fmt: "pem", Payload: c.GetCertificatePem()},
	}, nil
}

// sshKey returns a public key in the encoding of SSH: RFC 4253 §6.6, RFC 5656 §3.1, RFC 8709 §4.
func sshKey(public any) (form, kind string, wire []byte, err error) {
	switch key := public.(type) {
	case *rsa.PublicKey:
		kind = "ssh-rsa"
		return "ssh_rsa", kind, sshStrings([]byte(kind), mpint(big.NewInt(int64(key.E))), mpint(key.N)), nil
	case *ecdsa.PublicKey:
		point, err := key.Bytes()
		if err != nil {
			return "", "", nil, err
		}
		curve := strings.ToLower(strings.ReplaceAll(key.Curve.Params().Name, "-", "")) // P-256: p256
		curve = "nist" + curve
		kind = "ecdsa-sha2-" + curve
		return "ssh_ecdsa", kind, sshStrings([]byte(kind), []byte(curve), point), nil
	case ed25519.PublicKey:
		kind = "ssh-ed25519"
		return "ssh_ed25519", kind, sshStrings([]byte(kind), key), nil
	}
	return "", "", nil, fmt.Errorf("a public key of type %T has no form in SSH", public)
}

func sshStrings(all ...[]byte) []byte {
	var b []byte
	for _, s := range all {
		b = binary.BigEndian.AppendUint32(b, uint32(len(s))) //nolint:gosec // a key has some hundred bytes
		b = append(b, s...)
	}
	return b
}

// mpint is a positive number in two's complement (RFC 4251 §5).
func mpint(n *big.Int) []byte {
	b := n.Bytes()
	if len(b) > 0 && b[0] >= 0x80 {
		return append([]byte{0}, b...)
	}
	return b
}

// writeList answers with messages as a plain array.
func writeList[M proto.Message](m *Mux, w http.ResponseWriter, all []M) error {
	list := make([]prototree.Object, len(all))
	for i, one := range all {
		var err error
		if list[i], err = prototree.Management.Encode(one); err != nil {
			return err
		}
	}
	return m.JSON(w, http.StatusOK, list)
}

// writeMessage answers with one message.
func writeMessage(m *Mux, w http.ResponseWriter, one proto.Message) error {
	tree, err := prototree.Management.Encode(one)
	if err != nil {
		return err
	}
	return m.JSON(w, http.StatusOK, tree)
}
