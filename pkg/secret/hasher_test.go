package secret

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/bcrypt"
)

func TestPasswordThereAndBack(t *testing.T) {
	h := NewHasher()
	encoded, err := h.Password(t.Context(), "pässword")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(encoded, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("encoded as %s", encoded)
	}
	again, err := h.Password(t.Context(), "pässword")
	if err != nil || again == encoded {
		t.Errorf("the same password has the same hash twice: no salt (%v)", err)
	}
	for password, want := range map[string]bool{"pässword": true, "password": false, "": false} {
		ok, rehash, err := h.Verify(t.Context(), encoded, password)
		if ok != want || rehash || err != nil {
			t.Errorf("%q: ok %v, rehash %v, %v", password, ok, rehash, err)
		}
	}
}

func TestVerify(t *testing.T) {
	// The argon2 project's reference test vector for argon2id, version 19 (src/test.c).
	const reference = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	imported, err := bcrypt.GenerateFromPassword([]byte("password"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	long, err := bcrypt.GenerateFromPassword([]byte(strings.Repeat("a", 72)), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	token := NewToken()
	tests := []struct {
		name, encoded, password string
		ok, rehash              bool
	}{
		{"a generated secret is right", Generated(token), token, true, false},
		{"a generated secret is wrong", Generated(token), token + "x", false, false},
		{"no secret is not the generated one", Generated(token), "", false, false},
		{"another system's argon2id hash is right and should be replaced", reference, "password", true, true},
		{"another system's argon2id hash does not accept another password", reference, "Password", false, false},
		{"an imported bcrypt hash is right and should be replaced", string(imported), "password", true, true},
		{"an imported bcrypt hash does not accept another password", string(imported), "passwort", false, false},
		{"the spelling $2b$ is bcrypt", "$2b$" + string(imported)[4:], "password", true, true},
		{"the spelling $2y$ is bcrypt", "$2y$" + string(imported)[4:], "password", true, true},
		{"bcrypt reads 72 bytes of a longer password", string(long), strings.Repeat("a", 100), true, true},
		{"an endless password is wrong", reference, strings.Repeat("a", MaxPassword+1), false, false},
	}
	h := NewHasher()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ok, rehash, err := h.Verify(t.Context(), tt.encoded, tt.password)
			if ok != tt.ok || rehash != tt.rehash || err != nil {
				t.Errorf("ok %v, rehash %v, %v", ok, rehash, err)
			}
			if !Known(tt.encoded) {
				t.Error("the hash is not known")
			}
		})
	}
}

func TestVerifyRefusesHostileHashes(t *testing.T) {
	const rest = "$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	tests := map[string]string{
		"nothing":                           "",
		"a plain password":                  "password",
		"another scheme":                    "$scrypt$ln=17,r=8,p=1$c29tZXNhbHQ$a2V5",
		"4 GiB of memory":                   "$argon2id$v=19$m=4194304,t=1,p=1" + rest,
		"a number beyond 32 bits":           "$argon2id$v=19$m=4294986752,t=2,p=1" + rest,
		"no memory":                         "$argon2id$v=19$m=0,t=2,p=1" + rest,
		"too little memory for its lanes":   "$argon2id$v=19$m=16,t=2,p=4" + rest,
		"endless passes":                    "$argon2id$v=19$m=19456,t=1000,p=1" + rest,
		"no pass":                           "$argon2id$v=19$m=19456,t=0,p=1" + rest,
		"256 lanes, which a byte makes 0":   "$argon2id$v=19$m=19456,t=2,p=256" + rest,
		"much memory and many passes":       "$argon2id$v=19$m=262144,t=16,p=1" + rest,
		"another version":                   "$argon2id$v=16$m=19456,t=2,p=1" + rest,
		"parameters in another order":       "$argon2id$v=19$t=2,m=19456,p=1" + rest,
		"negative numbers":                  "$argon2id$v=19$m=-1,t=2,p=1" + rest,
		"a short salt":                      "$argon2id$v=19$m=19456,t=2,p=1$c2E$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
		"a short key":                       "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$CTFh",
		"no key":                            "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$",
		"an endless key":                    "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$" + strings.Repeat("A", 600),
		"one part too many":                 "$argon2id$v=19$m=19456,t=2,p=1" + rest + "$x",
		"base64 with surplus bits":          "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHR$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
		"a short SHA-256":                   "$sha256$AAAA",
		"an empty SHA-256":                  "$sha256$",
		"bcrypt that takes minutes":         "$2a$31$" + strings.Repeat("a", 53),
		"bcrypt without a hash":             "$2a$10$",
		"bcrypt with characters of no kind": "$2a$10$" + strings.Repeat("!", 53),
	}
	h := NewHasher()
	for name, encoded := range tests {
		t.Run(name, func(t *testing.T) {
			ok, rehash, err := h.Verify(t.Context(), encoded, "password")
			if ok || rehash || !errors.Is(err, ErrEncoding) {
				t.Errorf("ok %v, rehash %v, %v", ok, rehash, err)
			}
			if Known(encoded) {
				t.Error("the hash is known")
			}
			if err != nil && encoded != "" && strings.Contains(err.Error(), encoded) {
				t.Error("the error shows the hash")
			}
		})
	}
}

func TestVerifyNothingDoesTheWorkOfACurrentHash(t *testing.T) {
	p, salt, key, err := decodeArgon(nobody)
	if err != nil || p != current || len(salt) != saltBytes || len(key) != keyBytes {
		t.Fatalf("the hash of nobody is not like a current one: %+v, %v", p, err)
	}
	h := newHasher(1)
	if err := h.VerifyNothing(t.Context(), "password"); err != nil {
		t.Error(err)
	}
	// It takes a slot like any other, so it is refused like any other.
	h.slots <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.VerifyNothing(ctx, "password"); !errors.Is(err, ErrBusy) {
		t.Errorf("error %v", err)
	}
}

func TestPasswordRefusesEndlessInput(t *testing.T) {
	if _, err := NewHasher().Password(t.Context(), strings.Repeat("a", MaxPassword+1)); !errors.Is(err, ErrTooLong) {
		t.Errorf("error %v", err)
	}
}

func TestHasherBoundsParallelWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHasher(1)
		h.slots <- struct{}{} // a hash is running

		var waiting sync.WaitGroup
		results := make(chan error, queuePerSlot)
		for range queuePerSlot {
			waiting.Go(func() { results <- h.acquire(t.Context()) })
		}
		synctest.Wait()

		if err := h.acquire(t.Context()); !errors.Is(err, ErrBusy) {
			t.Errorf("the queue takes more than its bound: %v", err)
		}
		h.release()
		if err := <-results; err != nil {
			t.Errorf("a free slot was not given to one who waits: %v", err)
		}
		began := time.Now()
		waiting.Wait()
		if waited := time.Since(began); waited != defaultPatience {
			t.Errorf("waited %v for a slot, want %v", waited, defaultPatience)
		}
		for range queuePerSlot - 1 {
			if err := <-results; !errors.Is(err, ErrBusy) {
				t.Errorf("out of patience: %v", err)
			}
		}
		if n := h.waiting.Load(); n != 0 {
			t.Errorf("%d still count as waiting", n)
		}
	})
}

func TestWaitingEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHasher(1)
		h.slots <- struct{}{}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := h.Password(ctx, "x")
		if !errors.Is(err, ErrBusy) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
	})
}

func TestGeneratedSecretsNeedNoSlot(t *testing.T) {
	h := newHasher(1)
	h.slots <- struct{}{}
	token := NewToken()
	if ok, _, err := h.Verify(t.Context(), Generated(token), token); !ok || err != nil {
		t.Errorf("ok %v, %v", ok, err)
	}
	if !IsGenerated(Generated(token)) || IsGenerated(nobody) {
		t.Error("IsGenerated is wrong")
	}
	if ok, err := VerifyGenerated(Generated(token), token); !ok || err != nil {
		t.Errorf("VerifyGenerated: %v, %v", ok, err)
	}
	if _, err := VerifyGenerated(nobody, token); !errors.Is(err, ErrEncoding) {
		t.Errorf("VerifyGenerated of a password hash: %v", err)
	}
}

func TestHasherIsSafeForConcurrentUse(t *testing.T) {
	h := NewHasher()
	h.patience = time.Minute // the machine may be slow
	encoded, err := h.Password(t.Context(), "password")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for i := range 6 {
		all.Go(func() {
			ok, _, err := h.Verify(t.Context(), encoded, []string{"password", "wrong"}[i%2])
			if err != nil || ok != (i%2 == 0) {
				t.Errorf("ok %v, %v", ok, err)
			}
		})
	}
	all.Wait()
}

func FuzzKnown(f *testing.F) {
	f.Add(nobody)
	f.Add(Generated("x"))
	f.Add("$2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy")
	f.Add("$argon2id$v=19$m=4294967295,t=4294967295,p=255$AAAA$AAAA")
	f.Fuzz(func(t *testing.T, encoded string) {
		if kindOf(encoded) != kindArgon || !Known(encoded) {
			return
		}
		p, _, _, err := decodeArgon(encoded)
		if err != nil || !p.allowed() || p.memory > maxMemory {
			t.Errorf("%q is known with parameters %+v, %v", encoded, p, err)
		}
	})
}

func BenchmarkVerifyGenerated(b *testing.B) {
	token := NewToken()
	encoded := Generated(token)
	b.ReportAllocs()
	for b.Loop() {
		if ok, err := VerifyGenerated(encoded, token); !ok || err != nil {
			b.Fatal(ok, err)
		}
	}
}
