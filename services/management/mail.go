package management

import (
	"log/slog"

	"github.com/gatehouse-am/gatehouse/pkg/observe"
	"github.com/gatehouse-am/gatehouse/services/management/internal/audit"
	"github.com/gatehouse-am/gatehouse/services/management/internal/directory"
	"github.com/gatehouse-am/gatehouse/services/management/internal/mailer"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// newMailer returns what sends e-mails, or nil where no mail server is configured.
func (c *Config) newMailer(db *store.Store, recorder *audit.Recorder, metrics *observe.Metrics, log *slog.Logger) (*mailer.Mailer, error) {
	settings, err := c.Mail.settings()
	if err != nil || settings == nil {
		return nil, err
	}
	if settings.Plain {
		log.Warn("e-mails are sent without TLS: everybody on the way can read their links", "server", settings.Host)
	}
	return mailer.New(mailer.Options{
		Mails: db.Mails(), Settings: *settings, Recorder: recorder, Metrics: metrics.Registerer(), Purposes: directory.Purposes(), Logger: log,
	}), nil
}
