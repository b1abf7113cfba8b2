package redistest

import (
	"os"
	"path/filepath"
)

// Encrypted is one server that speaks TLS alone, asks for a certificate, and knows one user, who has a password.
type Encrypted struct {
	*set
	Server *Server
	// URL has the form that a gateway is given, with the user and no password.
	URL, User, Password string
}

// StartEncrypted starts it. The user may do everything but administrate; nobody signs in as "default". Close ends it.
func StartEncrypted() (*Encrypted, error) {
	s, err := newEncryptedSet()
	if err != nil {
		return nil, err
	}
	e := &Encrypted{set: s, User: "gatehouse", Password: "of-the-user"}
	if err := e.begin(); err != nil {
		s.Close()
		return nil, err
	}
	e.URL = "rediss://" + e.User + "@" + e.Server.Address + "/0"
	return e, nil
}

func (e *Encrypted) begin() error {
	free, err := ports(1)
	if err != nil {
		return err
	}
	// What the gateway does must be possible for a user like this one.
	users := filepath.Join(e.dir, "users.acl")
	text := "user default off\nuser " + e.User + " on >" + e.Password + " ~* &* +@all -@admin\n"
	if err := os.WriteFile(users, []byte(text), 0o600); err != nil {
		return err
	}
	e.user = e.User
	e.Server, err = e.start(e.Password, free[0], "--save", "", "--appendonly", "no", "--aclfile", users)
	return err
}

func newEncryptedSet() (*set, error) {
	s, err := newSet()
	if err != nil {
		return nil, err
	}
	if s.Files, err = newFiles(s.dir); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}
