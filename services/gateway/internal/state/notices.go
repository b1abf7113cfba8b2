package state

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// Limits of the queue of notices.
const (
	// MaxNotices is how many notices of one domain wait at most. A client that does not answer for long costs no more.
	MaxNotices = 100_000
	// keepNotices is how long a queue is kept after it was last added to: longer than anybody tries.
	keepNotices = 24 * time.Hour
)

// Notice is a logout token that a client is owed because a session has ended (OpenID Connect Back-Channel Logout §2.5).
type Notice struct {
	ID            string `json:"-"`
	Domain        string `json:"-"`
	ApplicationID string `json:"application"`
	ClientID      string `json:"client_id"`
	// Person is the person's public subject, Session the session's name. Clients may know them by other ones.
	Person  string `json:"person"`
	Session string `json:"session"`
	// Attempt counts the claims of the notice, this one included.
	Attempt int `json:"-"`
}

// The keys of the queue. An index names domains with notices by when the first one is due; a domain's queue has its notices by when
// they are due, its records what they say and, under #<id>, how often they were claimed. There are several indexes, so that the
// queues of different domains need not lie on one server: they are named after their index.
const noticeIndexes = 16

func noticesIndex(i uint32) string { return "notices:" + strconv.FormatUint(uint64(i), 10) }

func noticeKeys(domain string) []string {
	index := noticesIndex(crc32.ChecksumIEEE([]byte(domain)) % noticeIndexes)
	return []string{index, "due:{" + index + "}:" + domain, "record:{" + index + "}:" + domain}
}

// enqueue adds notices as far as there is room, and returns for how many there was none.
//
// KEYS index, queue, records. ARGV: domain, due (ms), most, how long to keep (ms), then id and record of each.
const enqueue = `
local room = tonumber(ARGV[3]) - redis.call('ZCARD', KEYS[2])
local lost = 0
for i = 5, #ARGV, 2 do
  if room > 0 then
    redis.call('ZADD', KEYS[2], ARGV[2], ARGV[i])
    redis.call('HSET', KEYS[3], ARGV[i], ARGV[i + 1])
    room = room - 1
  else
    lost = lost + 1
  end
end
redis.call('PEXPIRE', KEYS[2], ARGV[4])
redis.call('PEXPIRE', KEYS[3], ARGV[4])
local first = redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')
if first[2] then redis.call('ZADD', KEYS[1], first[2], ARGV[1]) end
return lost
`

// encoded are notices as the queue keeps them, by domain.
type encoded map[string][]any

func encodeNotices(list []Notice) (encoded, error) {
	out := encoded{}
	for _, n := range list {
		record, err := json.Marshal(n)
		if err != nil {
			return nil, fmt.Errorf("encode notice: %w", err)
		}
		out[n.Domain] = append(out[n.Domain], n.ID, record)
	}
	return out, nil
}

// queue adds the notices in the course of a transaction.
func (e encoded) queue(ctx context.Context, p redis.Pipeliner, now time.Time) (answers []*redis.Cmd) {
	for domain, list := range e {
		args := append([]any{domain, now.UnixMilli(), MaxNotices, keepNotices.Milliseconds()}, list...)
		answers = append(answers, p.Eval(ctx, enqueue, noticeKeys(domain), args...))
	}
	return answers
}

// QueueNotices adds notices that are due at once.
func (s *Store) QueueNotices(ctx context.Context, list []Notice) error {
	lists, err := encodeNotices(list)
	if err != nil || len(lists) == 0 {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	var answers []*redis.Cmd
	err = s.together(ctx, func(p redis.Pipeliner) { answers = lists.queue(ctx, p, s.now()) })
	s.dropped(ctx, answers)
	s.tellNoticed()
	return s.unavailable(err)
}

// Noticed receives a value after this store has queued notices. It is for one reader.
func (s *Store) Noticed() <-chan struct{} { return s.noticed }

func (s *Store) tellNoticed() {
	select {
	case s.noticed <- struct{}{}:
	default: // the reader will look anyway
	}
}

// dropped reports notices for which there was no room.
func (s *Store) dropped(ctx context.Context, answers []*redis.Cmd) {
	for _, a := range answers {
		if lost, err := a.Int(); err == nil && lost > 0 {
			s.log.ErrorContext(ctx, "logout notices are dropped because too many wait", "dropped", lost, "most", MaxNotices)
		}
	}
}

// WaitingNotices returns how many notices of a domain are not settled.
func (s *Store) WaitingNotices(ctx context.Context, domain string) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	n, err := s.client.ZCard(ctx, noticeKeys(domain)[1]).Result()
	return n, s.unavailable(err)
}

// DueNotices returns the domains that have notices which are due.
func (s *Store) DueNotices(ctx context.Context) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	now := s.now()
	found := make([]*redis.StringSliceCmd, noticeIndexes)
	_, err := s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i := range found {
			found[i] = p.ZRangeArgs(ctx, redis.ZRangeArgs{
				Key: noticesIndex(uint32(i)), ByScore: true, Start: strconv.FormatInt(now.Add(-keepNotices).UnixMilli(), 10), Stop: strconv.FormatInt(now.UnixMilli(), 10),
			})
		}
		return nil
	})
	if err != nil {
		return nil, s.unavailable(err)
	}
	var domains []string
	for _, f := range found {
		domains = append(domains, f.Val()...)
	}
	return domains, nil
}

// claim takes notices that are due, and makes them due again when the lease ends.
//
// KEYS index, queue, records. ARGV: domain, now, end of the lease (ms), most.
var claim = redis.NewScript(`
local found = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', ARGV[2], 'LIMIT', 0, ARGV[4])) do
  local record = redis.call('HGET', KEYS[3], id)
  if record then
    redis.call('ZADD', KEYS[2], ARGV[3], id)
    found[#found + 1] = id
    found[#found + 1] = record
    found[#found + 1] = tostring(redis.call('HINCRBY', KEYS[3], '#' .. id, 1))
  else
    redis.call('ZREM', KEYS[2], id)
  end
end
local first = redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')
if first[2] then redis.call('ZADD', KEYS[1], first[2], ARGV[1]) else redis.call('ZREM', KEYS[1], ARGV[1]) end
return found
`)

// ClaimNotices takes up to most notices of a domain that are due. Nobody else gets them before the lease is over; whoever
// took them and does not say what came of it by then has died.
func (s *Store) ClaimNotices(ctx context.Context, domain string, most int, lease time.Duration) ([]Notice, error) {
	now := s.now()
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	flat, err := claim.Run(ctx, s.client, noticeKeys(domain), domain, now.UnixMilli(), now.Add(lease).UnixMilli(), most).StringSlice()
	if err != nil {
		return nil, s.unavailable(err)
	}
	var list []Notice
	for i := 0; i+2 < len(flat); i += 3 {
		n := Notice{ID: flat[i], Domain: domain}
		if err := json.Unmarshal([]byte(flat[i+1]), &n); err != nil {
			return nil, fmt.Errorf("decode notice: %w", err)
		}
		if n.Attempt, err = strconv.Atoi(flat[i+2]); err != nil {
			return nil, fmt.Errorf("decode attempts of notice: %w", err)
		}
		list = append(list, n)
	}
	return list, nil
}

// SettleNotice forgets a notice: it was delivered, or nobody will try again.
func (s *Store) SettleNotice(ctx context.Context, n Notice) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	keys := noticeKeys(n.Domain)
	_, err := s.client.TxPipelined(ctx, func(p redis.Pipeliner) error {
		p.ZRem(ctx, keys[1], n.ID)
		p.HDel(ctx, keys[2], n.ID, "#"+n.ID)
		return nil
	})
	return s.unavailable(err)
}

// postpone makes a claimed notice due at another time.
//
// KEYS index, queue, records. ARGV: domain, id, due (ms), 1 if the claim does not count as an attempt.
var postpone = redis.NewScript(`
if redis.call('HEXISTS', KEYS[3], ARGV[2]) == 0 then return 0 end
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[2])
if ARGV[4] == '1' then redis.call('HINCRBY', KEYS[3], '#' .. ARGV[2], -1) end
local first = redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')
redis.call('ZADD', KEYS[1], first[2], ARGV[1])
return 1
`)

// PostponeNotice makes a claimed notice due again after a while. counts says whether the claim was an attempt.
func (s *Store) PostponeNotice(ctx context.Context, n Notice, after time.Duration, counts bool) error {
	free := 1
	if counts {
		free = 0
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	err := postpone.Run(ctx, s.client, noticeKeys(n.Domain), n.Domain, n.ID, s.now().Add(after).UnixMilli(), free).Err()
	return s.unavailable(err)
}
