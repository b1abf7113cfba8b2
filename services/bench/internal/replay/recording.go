package replay

import "sync"

// recording is what was kept of large reads, and the reads under way.
type recording struct {
	mu        sync.Mutex
	replaying bool
	answered  int
	// whole are the reads that came to their end, under is those that are being kept, by the database's cursors.
	whole map[string]*read
	under map[int64]*read
	// played are those that are answered, by cursors of our own, which are below zero: the database's are above.
	played map[int64]*play
	last   int64
}

// read is one find with all its answers.
type read struct {
	find    string
	answers []message
}

// play is a read that is being answered.
type play struct {
	of   *read
	next int
}

func newRecording() *recording {
	return &recording{whole: map[string]*read{}, under: map[int64]*read{}, played: map[int64]*play{}}
}

// keeps returns the read that a request begins or goes on with, if its answer is to be kept.
func (r *recording) keeps(q request) *read {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.replaying:
		return nil
	case q.find != "":
		return &read{find: q.find}
	}
	return r.under[q.cursor]
}

// keep adds an answer of the database to a read.
func (r *recording) keep(of *read, answer message) {
	cursor, ok := answer.cursor()
	r.mu.Lock()
	defer r.mu.Unlock()
	of.answers = append(of.answers, answer)
	switch {
	case !ok || r.replaying:
	case cursor != 0:
		r.under[cursor] = of
		return
	case len(of.answers) > 1:
		r.whole[of.find] = of
	}
	for cursor, under := range r.under { // it is over
		if under == of {
			delete(r.under, cursor)
		}
	}
}

// answer answers a request from what was kept; nil if the database has to.
func (r *recording) answer(id int32, q request) message {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.replaying {
		return nil
	}
	cursor, p := q.cursor, r.played[q.cursor]
	if kept := r.whole[q.find]; kept != nil {
		r.last--
		cursor, p = r.last, &play{of: kept}
		r.played[cursor] = p
	}
	if p == nil {
		return nil
	}
	answer := p.of.answers[p.next].answering(id, cursor)
	if p.next++; p.next == len(p.of.answers) {
		delete(r.played, cursor)
	}
	r.answered++
	return answer
}
