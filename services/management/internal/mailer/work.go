package mailer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/gatehouse-am/gatehouse/pkg/fault"
	"github.com/gatehouse-am/gatehouse/pkg/prototree"
	"github.com/gatehouse-am/gatehouse/pkg/resource"
	"github.com/gatehouse-am/gatehouse/services/management/internal/audit"
	"github.com/gatehouse-am/gatehouse/services/management/internal/store"
)

// Run works out errands and sends letters until ctx ends. Every replica may run it.
func (m *Mailer) Run(ctx context.Context, a Author) error {
	counted := time.Time{}
	for ctx.Err() == nil {
		if now := time.Now(); now.Sub(counted) >= countEvery {
			counted = now
			m.count(ctx)
		}
		worked, err := m.Round(ctx, a)
		if err != nil && ctx.Err() == nil {
			m.Logger.WarnContext(ctx, "e-mails put off", "err", err)
		}
		if worked > 0 && err == nil {
			continue
		}
		timer := time.NewTimer(m.Poll)
		select {
		case <-ctx.Done():
		case <-m.ring:
		case <-timer.C:
		}
		timer.Stop()
	}
	return nil
}

// Round does what is due, a few at a time, and returns how many it has dealt with.
func (m *Mailer) Round(ctx context.Context, a Author) (int, error) {
	mine, err := m.Mails.Claim(ctx, m.holder, leaseTime, batch)
	var all sync.WaitGroup
	for _, mail := range mine {
		all.Go(func() { m.work(ctx, a, mail) })
	}
	all.Wait()
	return len(mine), err
}

// count brings the metrics up to date that are about everything that waits.
func (m *Mailer) count(ctx context.Context) {
	waiting, err := m.Mails.Waiting(ctx, "")
	if err != nil {
		return
	}
	oldest, err := m.Mails.Oldest(ctx)
	if err != nil {
		return
	}
	m.meters.waiting.Set(float64(waiting))
	age := 0.0
	if !oldest.IsZero() {
		age = max(m.Now().Sub(oldest).Seconds(), 0)
	}
	m.meters.oldest.Set(age)
}

// work makes letters of an errand and sends them, or sends those that are left. Whatever happens, the outcome is written: what
// is left, and when it is tried again.
func (m *Mailer) work(ctx context.Context, a Author, mail *store.Mail) {
	letters, err := m.letters(ctx, a, mail)
	for err == nil && len(letters) > 0 {
		l := &letters[0]
		err = m.send(ctx, mail, l)
		if err != nil && !refused(err) {
			break
		}
		if err != nil {
			m.giveUp(ctx, mail, l, err)
			err = nil
		}
		if letters = letters[1:]; len(letters) > 0 {
			err = m.keep(ctx, mail, letters)
		}
	}
	if errors.Is(err, store.ErrStale) {
		return // somebody else goes on with it
	}
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishWithin)
	defer cancel()
	switch {
	case err == nil || unreadable(err):
		if err != nil {
			m.Logger.ErrorContext(ctx, "e-mail dropped", "mail", mail.ID, "domain", mail.Domain, "purpose", mail.Purpose, "err", err)
		}
		err = m.Mails.Remove(limited, mail.ID)
	case ctx.Err() != nil:
		// This replica stops. Another one need not wait for the lease.
		mail.HeldUntil = m.now()
		err = m.Mails.Put(limited, mail)
	case mail.Attempts >= len(pauses):
		for i := range letters {
			m.giveUp(limited, mail, &letters[i], err)
		}
		if letters == nil {
			m.Logger.ErrorContext(ctx, "errand given up", "mail", mail.ID, "domain", mail.Domain, "purpose", mail.Purpose, "err", err)
			m.meters.failed.WithLabelValues(mail.Purpose, lostErrand).Inc()
		}
		err = m.Mails.Remove(limited, mail.ID)
	default:
		m.meters.retried.WithLabelValues(mail.Purpose).Inc()
		pause := pauses[mail.Attempts]
		m.Logger.WarnContext(ctx, "e-mail not sent, trying again", "mail", mail.ID, "domain", mail.Domain, "purpose", mail.Purpose,
			"attempts", mail.Attempts+1, "again_in", pause.String(), "err", err)
		mail.Attempts++
		mail.DueAt, mail.HeldUntil = m.now().Add(pause), m.now()
		err = m.Mails.Put(limited, mail)
	}
	if err != nil && !errors.Is(err, store.ErrStale) {
		m.Logger.WarnContext(ctx, "the outcome of an e-mail was not written: it will be tried again", "mail", mail.ID, "domain", mail.Domain, "err", err)
	}
}

var errUnreadable = errors.New("its content cannot be read")

// unreadable reports whether trying again is of no use because nobody can ever make letters of an errand.
func unreadable(err error) bool {
	return errors.Is(err, errUnreadable) || fault.Is(err, fault.NotFound)
}

// letters returns what is to be sent. Letters that an errand has become are stored in its place before the first of them is
// sent, so that their links are never made again.
func (m *Mailer) letters(ctx context.Context, a Author, mail *store.Mail) ([]Letter, error) {
	var letters []Letter
	if !mail.Errand {
		if err := json.Unmarshal(mail.Content, &letters); err != nil {
			return nil, errUnreadable
		}
		return letters, nil
	}
	if len(mail.Content) == 0 {
		return nil, errUnreadable
	}
	made, err := a.Letters(ctx, mail.ID, mail.Domain, mail.Purpose, mail.Content)
	if err != nil {
		return nil, err
	}
	for i := range made {
		made[i].ID = fmt.Sprintf("%s.%d", mail.ID, i)
		allowed, err := m.within(ctx, mail, &made[i])
		if err != nil {
			return nil, err
		}
		if !allowed {
			m.meters.failed.WithLabelValues(mail.Purpose, overLimit).Inc()
			m.Logger.WarnContext(ctx, "e-mail dropped: too many to this address, or of this domain, in an hour",
				"domain", mail.Domain, "purpose", mail.Purpose, "user", made[i].User)
			continue
		}
		letters = append(letters, made[i])
	}
	if len(letters) == 0 {
		return nil, nil
	}
	mail.Errand = false
	return letters, m.keep(ctx, mail, letters)
}

// keep stores what is left to be sent, and prolongs the lease.
func (m *Mailer) keep(ctx context.Context, mail *store.Mail, letters []Letter) error {
	content, err := json.Marshal(letters)
	if err != nil {
		return err
	}
	mail.Content, mail.HeldUntil = content, m.now().Add(leaseTime)
	return m.Mails.Put(ctx, mail)
}

var errTooLate = &refusedError{errors.New("its link has expired")}

// send hands a letter to the mail server and notes it. A delivery under way is given some time when ctx ends.
func (m *Mailer) send(ctx context.Context, mail *store.Mail, l *Letter) error {
	if !l.Until.IsZero() && !m.now().Before(l.Until) {
		return errTooLate
	}
	delivery, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() {
		timer := time.NewTimer(finishWithin)
		defer timer.Stop()
		select {
		case <-timer.C:
			cancel()
		case <-delivery.Done():
		}
	})()
	if err := deliver(delivery, &m.Settings, l, m.now()); err != nil {
		return err
	}
	m.meters.sent.WithLabelValues(mail.Purpose).Inc()
	m.record(ctx, mail, l, audit.Success, nil)
	return nil
}

func (m *Mailer) giveUp(ctx context.Context, mail *store.Mail, l *Letter, why error) {
	m.meters.failed.WithLabelValues(mail.Purpose, givenUp).Inc()
	m.Logger.ErrorContext(ctx, "e-mail given up", "mail", mail.ID, "domain", mail.Domain, "purpose", mail.Purpose, "user", l.User, "err", why)
	m.record(ctx, mail, l, audit.Failure, why)
}

// actionSend is what audit records call a letter, sent or given up.
const actionSend = "send_email"

// record notes what became of a letter: to whom and what for, and never what it said.
func (m *Mailer) record(ctx context.Context, mail *store.Mail, l *Letter, result string, why error) {
	if m.Recorder == nil {
		return
	}
	about := prototree.Object{"template": l.Template, "to": l.To}
	if l.User != "" {
		about["user"] = l.User
	}
	if why != nil {
		about["reason"] = why.Error()
	}
	m.Recorder.Record(context.WithoutCancel(ctx), audit.Event{
		Action: actionSend, Result: result, Key: resource.Key{Kind: "mail", Domain: mail.Domain, ID: l.ID}, Name: l.Name, At: m.now(),
		After: about,
	})
}
