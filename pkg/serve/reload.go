package serve

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// DefaultPoll is how often a [Reloader] looks at its files.
const DefaultPoll = 10 * time.Second

// maxTLSFile is the most that is read from one file; an authority bundle of a large company has about 300 KiB.
const maxTLSFile = 1 << 20

// ReloaderOptions are the choices of [NewReloader]; the zero value is usable.
type ReloaderOptions struct {
	// TrustDomain is the authority part of accepted identities; empty means [DefaultTrustDomain].
	TrustDomain string
	// Role is what this end of the plane is: a certificate that names another identity is refused. Empty where a certificate is for anything
	// but the plane; then it may name what it likes.
	Role Role
	// Poll is the time between two looks at the files; 0 means [DefaultPoll].
	Poll time.Duration
	// Log receives one record per change and per unusable set of files; nil means none.
	Log *slog.Logger
	// Name is what the certificate is for, as metrics say it: plane, public, redis, clients. It is needed with Metrics.
	Name string
	// Metrics show the certificate and count changes of its files; nil means none.
	Metrics CertificateMetrics
	// Now is the clock against which certificates are judged; nil means [time.Now].
	Now func() time.Time
}

// CertificateMetrics show certificates under names.
type CertificateMetrics interface {
	// Certificate is told of a certificate once. expires says when the one in use ends and is nil for authorities alone. loaded is called after
	// each change of the files, with nil if they are in use now and with the reason if they are not; it must not call the reloader.
	Certificate(name string, expires func() time.Time) (loaded func(err error))
}

// Reloader holds a certificate, its key and the accepted authorities, and replaces all three together when the files
// change. It compares contents, so it does not matter whether a file is rewritten, renamed over or reached through a
// symbolic link that is swapped, as Kubernetes does. Files that cannot be used leave the old ones in place.
type Reloader struct {
	files   TLSFiles
	options ReloaderOptions
	now     func() time.Time
	log     *slog.Logger
	current atomic.Pointer[material]
	counted func(err error) // nil without metrics

	mu      sync.Mutex        // one check at a time; guards the two below
	inUse   [sha256.Size]byte // what current was made from
	refused [sha256.Size]byte // what was last reported as unusable, so that it is reported once
}

// material is immutable.
type material struct {
	certificate tls.Certificate
	pool        *x509.CertPool // nil without CAFile
}

// NewReloader reads the files. It fails if they cannot be used now; later faults keep what was read. Without CAFile
// only [Reloader.PublicTLS] is of use, without certificate and key only [Reloader.Authorities].
func NewReloader(files TLSFiles, options ReloaderOptions) (*Reloader, error) {
	r := &Reloader{files: files, options: options, now: options.Now, log: options.Log}
	if r.now == nil {
		r.now = time.Now
	}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	if r.options.Poll <= 0 {
		r.options.Poll = DefaultPoll
	}
	digest, m, err := r.load()
	if err != nil {
		return nil, err
	}
	r.inUse = digest
	r.current.Store(m)
	if options.Metrics != nil {
		var expires func() time.Time
		if files.CertFile != "" {
			expires = r.Expires
		}
		r.counted = options.Metrics.Certificate(options.Name, expires)
	}
	return r, nil
}

// Run checks the files until ctx ends, and returns nil then.
func (r *Reloader) Run(ctx context.Context) error {
	ticker := time.NewTicker(r.options.Poll)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			_ = r.Check() // reported through log and hook
		}
	}
}

// Check looks at the files now and uses them if they have changed. The error says why the present files cannot be used;
// those read before stay in use. It may be called at any time, by several goroutines.
func (r *Reloader) Check() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	digest, m, err := r.load()
	if err != nil {
		if r.refused != digest {
			r.refused = digest
			r.log.Error("certificate files unusable, the former ones stay in use",
				"cert_file", r.files.CertFile, "expires", r.Expires(), "err", err)
			r.report(err)
		}
		return err
	}
	r.refused = [sha256.Size]byte{}
	if digest == r.inUse {
		return nil
	}
	r.inUse = digest
	r.current.Store(m)
	r.log.Info("certificate files reloaded", "cert_file", r.files.CertFile, "expires", r.Expires())
	r.report(nil)
	return nil
}

// Expires is when the certificate in use ends, the zero time if there is none.
func (r *Reloader) Expires() time.Time {
	if leaf := r.current.Load().certificate.Leaf; leaf != nil {
		return leaf.NotAfter
	}
	return time.Time{}
}

// Authorities are those of the file at its last check, nil without CAFile.
func (r *Reloader) Authorities() *x509.CertPool { return r.current.Load().pool }

// ShowCertificate is for tls.Config.GetClientCertificate of a client at a server of somebody else's.
func (r *Reloader) ShowCertificate(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	return &r.current.Load().certificate, nil
}

func (r *Reloader) report(err error) {
	if r.counted != nil {
		r.counted(err)
	}
}

// load reads and judges the files. The digest identifies what was found, also when it is of no use.
func (r *Reloader) load() (digest [sha256.Size]byte, m *material, err error) {
	sum := sha256.New()
	var faults []error
	read := func(path string) []byte {
		text, err := readBounded(path)
		if err != nil {
			faults = append(faults, err)
		}
		_, _ = fmt.Fprintf(sum, "%d %v\n", len(text), err)
		sum.Write(text)
		return text
	}
	var certificate, key, authorities []byte
	if r.files.CertFile != "" || r.files.KeyFile != "" || r.files.CAFile == "" {
		certificate, key = read(r.files.CertFile), read(r.files.KeyFile)
	}
	if r.files.CAFile != "" {
		authorities = read(r.files.CAFile)
	}
	sum.Sum(digest[:0])
	if err := errors.Join(faults...); err != nil {
		return digest, nil, err
	}
	m, err = r.parse(certificate, key, authorities)
	return digest, m, err
}

func (r *Reloader) parse(certificate, key, authorities []byte) (*material, error) {
	m := &material{}
	if r.files.CertFile != "" {
		pair, err := r.parseCertified(certificate, key)
		if err != nil {
			return nil, err
		}
		m.certificate = pair
	}
	if r.files.CAFile != "" {
		m.pool = x509.NewCertPool()
		if !m.pool.AppendCertsFromPEM(authorities) {
			return nil, fmt.Errorf("authorities %s: no certificate in the file", r.files.CAFile)
		}
	}
	return m, nil
}

func (r *Reloader) parseCertified(certificate, key []byte) (tls.Certificate, error) {
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return pair, fmt.Errorf("certificate %s with key %s: %w", r.files.CertFile, r.files.KeyFile, err)
	}
	if pair.Leaf == nil {
		if pair.Leaf, err = x509.ParseCertificate(pair.Certificate[0]); err != nil {
			return pair, fmt.Errorf("certificate %s: %w", r.files.CertFile, err)
		}
	}
	if err := r.checkLeaf(pair.Leaf); err != nil {
		return pair, fmt.Errorf("certificate %s: %w", r.files.CertFile, err)
	}
	return pair, nil
}

func readBounded(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxTLSFile+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxTLSFile {
		return nil, fmt.Errorf("%s: larger than %d bytes", path, maxTLSFile)
	}
	return text, nil
}
