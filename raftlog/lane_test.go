package raftlog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/drawd/drawd/engine/problem"
)

// TestEffectsAreTrueWhereverTheConnectionBreaks cuts the connection after every byte, of what is sent and of what is
// answered: what was told as none never came to the log, what was answered came there once.
func TestEffectsAreTrueWhereverTheConnectionBreaks(t *testing.T) {
	longest := 0
	for _, direction := range []string{"sent", "answered"} {
		for at := 0; ; at++ {
			log := &countingLog{taken: make(map[string]int)}
			seen := map[problem.Code]int{}
			whole := false
			synctest.Test(t, func(t *testing.T) {
				s := newSpan(t, log, nil)
				var cut *cutConn
				s.wrap = func(n int, near, far net.Conn) (net.Conn, net.Conn) {
					if n > 0 {
						return near, far
					}
					cut = &cutConn{Conn: near, reads: -1, writes: -1}
					if direction == "sent" {
						cut.writes = at
					} else {
						cut.reads = at
					}
					return cut, far
				}
				outcomes := make(map[string]error)
				var mu sync.Mutex
				for wave := range 3 { // the second and third find it broken, or break it
					var all sync.WaitGroup
					for i := range 2 {
						all.Add(1)
						go func() {
							defer all.Done()
							user := fmt.Sprintf("#%d-%d", wave, i)
							b, err := s.decide(t.Context(), user, 1+i)
							if err == nil && (len(b.Results) != 1+i || len(b.Records) != 160*(1+i)) {
								t.Errorf("%d results, %d bytes of records", len(b.Results), len(b.Records))
							}
							mu.Lock()
							defer mu.Unlock()
							outcomes[user] = err
						}()
					}
					all.Wait()
				}
				log.mu.Lock()
				defer log.mu.Unlock()
				for user, err := range outcomes {
					seen[codeOf(err)]++
					want := 1
					if user[len(user)-1] == '1' {
						want = 2
					}
					taken := log.taken[user]
					switch p, _ := err.(*problem.Error); {
					case err == nil && taken != want:
						t.Errorf("%s, cut at byte %d: %s was answered, %d of %d came to the log", direction, at, user, taken, want)
					case err != nil && p == nil:
						t.Errorf("%s, cut at byte %d: %v", direction, at, err)
					case err != nil && p.Effect() == problem.None && taken != 0:
						t.Errorf("%s, cut at byte %d: %s was told that nothing was done, and is in the log", direction, at, user)
					case taken != 0 && taken != want:
						t.Errorf("%s, cut at byte %d: %s is in the log %d times", direction, at, user, taken)
					}
				}
				whole = direction == "sent" && cut.writes > 0 || direction == "answered" && cut.reads > 0
			})
			if t.Failed() {
				return
			}
			if whole || seen[problem.OK] == 6 { // as long as everything that was carried
				longest = max(longest, at)
				break
			}
		}
	}
	if longest < 200 {
		t.Errorf("only %d bytes were tried", longest)
	}
}

// TestSilentLeader: a leader that takes frames and answers none is given up after GiveUp, the effect is unknown, and its
// connection is not used again.
func TestSilentLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newManualLog()
		s := newSpan(t, log, nil)
		log.landAtEnd(t)
		var silent net.Conn
		s.wrap = func(n int, near, far net.Conn) (net.Conn, net.Conn) {
			if n > 0 {
				return near, far
			}
			silent = far
			mute, other := net.Pipe() // nobody reads what is written here either; the frame fits no buffer
			go func() { _, _ = io.Copy(io.Discard, far) }()
			t.Cleanup(func() { _ = mute.Close() })
			return near, other
		}
		begun := time.Now()
		_, err := s.decide(t.Context(), "#u", 1)
		if took := time.Since(begun); codeOf(err) != problem.UnknownOutcome || took < DefaultGiveUp || took > DefaultGiveUp+time.Second {
			t.Errorf("after %v: %v", took, err)
		}
		synctest.Wait()
		if _, err := silent.Write([]byte{1}); err == nil {
			t.Error("the connection to a silent leader is still open")
		}
		go func() { log.land(<-log.taken) }()
		if _, err := s.decide(t.Context(), "#v", 1); err != nil || s.dials != 2 {
			t.Errorf("over a new connection (%d): %v", s.dials, err)
		}
	})
}

// TestUnreachedLeader: what cannot be sent is refused at once with the effect none, and the leader is not dialled for every
// draw.
func TestUnreachedLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSpan(t, &countingLog{taken: map[string]int{}}, nil)
		reached := false
		s.wrap = func(_ int, near, far net.Conn) (net.Conn, net.Conn) {
			if !reached {
				return nil, nil
			}
			return near, far
		}
		for range 50 {
			if _, err := s.decide(t.Context(), "#u", 1); codeOf(err) != problem.NoLeader {
				t.Fatal(err)
			}
		}
		if s.dials != 1 {
			t.Errorf("dialled %d times at once", s.dials)
		}
		reached = true
		time.Sleep(2 * linkRetry)
		if _, err := s.decide(t.Context(), "#u", 1); err != nil {
			t.Error(err)
		}
	})
}

// TestFramesAreMerged: while frames are under way what comes shares the next one, no more than maxFrames are under way, and
// a full queue refuses with the effect none.
func TestFramesAreMerged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newManualLog()
		s := newSpan(t, log, func(o *Options) { o.QueueAge = DefaultGiveUp })
		s.lane.options.QueueCommands = 1000 // with what maxFrames carry at most, 50 each, less than are drawn
		log.landAtEnd(t)
		var all sync.WaitGroup
		outcomes := make([]error, 3000)
		for i := range outcomes {
			if i%50 == 0 {
				synctest.Wait()
			}
			all.Add(1)
			go func() {
				defer all.Done()
				_, outcomes[i] = s.decide(t.Context(), fmt.Sprint("#", i), 1)
			}()
		}
		synctest.Wait()
		if frames := s.lane.figures.frames.Get(); frames != maxFrames {
			t.Errorf("%d frames are under way, %d should be", frames, maxFrames)
		}
		landing := make(chan struct{})
		go func() {
			for {
				select {
				case e := <-log.taken:
					log.land(e)
				case <-landing:
					return
				}
			}
		}()
		all.Wait()
		close(landing)
		count := map[problem.Code]int{}
		for _, err := range outcomes {
			count[codeOf(err)]++
		}
		if count[problem.OK] < 1000 || count[problem.Overloaded] == 0 || count[problem.OK]+count[problem.Overloaded] != len(outcomes) {
			t.Errorf("outcomes %v", count)
		}
		if frames := s.lane.figures.frames.Get(); frames > 200 {
			t.Errorf("%d frames for %d draws", frames, count[problem.OK])
		}
	})
}

// TestLeaderTakesNoMoreThanItAnswers: what one connection has under way on the leader is bounded, whoever is at its end.
func TestLeaderTakesNoMoreThanItAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newManualLog()
		s := newSpan(t, log, func(o *Options) { o.QueueAge = time.Minute; o.GiveUp = time.Hour })
		log.landAtEnd(t)
		near, err := s.dial("", 0)
		if err != nil {
			t.Fatal(err)
		}
		b := draws("#u", 1)
		sent := 0
		go func() {
			for n := uint64(1); ; n++ {
				frame := append(beginForward(nil, forwardCommands, 1, n), b.Commands()...)
				endForward(frame, 0)
				if _, err := near.Write(frame); err != nil {
					return
				}
				sent++
			}
		}()
		synctest.Wait()
		if taken := s.takers.figures.taken.Get(); taken != maxTaken {
			t.Errorf("%d frames are taken and unanswered, at most %d should be", taken, maxTaken)
		}
		for range maxTakers * MaxVoters { // nobody proves who he is; one is open already
			if far, err := s.dial("", 0); err != nil {
				t.Error(err)
			} else {
				defer far.Close()
			}
		}
		synctest.Wait()
		s.takers.mu.Lock()
		if open := len(s.takers.mu.byPeer[""]); open != maxTakers*MaxVoters {
			t.Errorf("%d connections are served, at most %d should be", open, maxTakers*MaxVoters)
		}
		s.takers.mu.Unlock()
		if _, err := near.Write([]byte{0}); err == nil {
			t.Error("the oldest one is still served")
		}
		_ = near.Close()
		synctest.Wait()
	})
}

// TestForeignFrames: whatever is not a sound frame of commands ends the connection, and nothing of it is decided.
func TestForeignFrames(t *testing.T) {
	b := draws("#u", 1)
	sound := append(beginForward(nil, forwardCommands, 1, 1), b.Commands()...)
	endForward(sound, 0)
	frames := map[string][]byte{"nonsense": []byte("GET / HTTP/1.1\r\nHost: raft\r\n\r\n")}
	for at := range sound {
		spoilt := bytes.Clone(sound)
		spoilt[at] ^= 0x40
		frames[fmt.Sprint("byte ", at)] = spoilt
	}
	kind := append(beginForward(nil, forwardOutcome, 1, 1), b.Commands()...)
	endForward(kind, 0)
	frames["an answer"] = kind
	many := append(beginForward(nil, forwardCommands, maxEntryCommands+1, 1), b.Commands()...)
	endForward(many, 0)
	frames["too many commands"] = many
	for what, frame := range frames {
		synctest.Test(t, func(t *testing.T) {
			log := &countingLog{taken: make(map[string]int)}
			s := newSpan(t, log, nil)
			near, err := s.dial("", 0)
			if err != nil {
				t.Fatal(err)
			}
			written := make(chan struct{})
			go func() {
				defer close(written)
				_, _ = near.Write(frame)
				time.Sleep(time.Second)
				_ = near.Close() // of a length that promises more
			}()
			answer, _ := io.ReadAll(near)
			<-written
			if len(answer) > 0 || len(log.taken) > 0 {
				t.Errorf("%s: answered % x, decided %v", what, answer, log.taken)
			}
		})
	}
}

// TestLagOfTheForwardingNode: an answer waits until this node has applied what it tells of, and no longer than behindLimit;
// a barrier is not given then.
func TestLagOfTheForwardingNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSpan(t, &countingLog{taken: map[string]int{}}, nil)
		s.applied.Store(0)
		begun := time.Now()
		done := make(chan error, 1)
		go func() {
			_, err := s.decide(t.Context(), "#u", 1)
			done <- err
		}()
		time.Sleep(100 * time.Millisecond)
		s.applied.Store(1)
		s.lane.progress.moved(1)
		if err := <-done; err != nil || time.Since(begun) != 100*time.Millisecond {
			t.Errorf("after %v: %v", time.Since(begun), err)
		}
		begun = time.Now()
		if _, err := s.decide(t.Context(), "#v", 1); err != nil || time.Since(begun) != behindLimit {
			t.Errorf("behind, after %v: %v", time.Since(begun), err)
		}
		if _, err := s.decide(t.Context(), "", 0); codeOf(err) != problem.NoLeader {
			t.Errorf("a barrier that is not reached: %v", err)
		}
		s.applied.Store(100)
		if b, err := s.decide(t.Context(), "", 0); err != nil || b.Index == 0 {
			t.Errorf("a barrier: %v", err)
		}
	})
}

// TestLeadershipMovesUnderAQueue: what waits for a leader that does not lead any more is told that nothing was done; what is
// on its way there gets its grace, then its effect is unknown.
func TestLeadershipMovesUnderAQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newManualLog() // takes and never answers
		s := newSpan(t, log, func(o *Options) { o.QueueAge = DefaultGiveUp })
		log.landAtEnd(t)
		outcomes := make(chan problem.Code, 100)
		for i := range 100 {
			synctest.Wait()
			go func() {
				_, err := s.decide(t.Context(), fmt.Sprint("#", i), 1)
				outcomes <- codeOf(err)
			}()
		}
		synctest.Wait()
		s.now.Store(&Member{ID: "other", Address: "other"})
		begun := time.Now()
		count := map[problem.Code]int{}
		for range 100 {
			count[<-outcomes]++
		}
		if took := time.Since(begun); count[problem.UnknownOutcome] != maxFrames || count[problem.NoLeader] != 100-maxFrames || took > laneGrace+2*watchInterval {
			t.Errorf("after %v: %v", took, count)
		}
	})
}

// TestCallerLeavesALane: who stops waiting in the queue takes his batch with him; what was sent is unknown.
func TestCallerLeavesALane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newManualLog()
		s := newSpan(t, log, func(o *Options) { o.QueueAge = DefaultGiveUp })
		log.landAtEnd(t)
		for i := range maxFrames {
			go func() { _, _ = s.decide(context.Background(), fmt.Sprint("#", i), 1) }()
			synctest.Wait()
		}
		ctx, cancel := context.WithCancel(t.Context())
		queued := make(chan error, 1)
		go func() {
			_, err := s.decide(ctx, "#queued", 1)
			queued <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-queued; !errors.Is(err, context.Canceled) || codeOf(err) != problem.OK {
			t.Error("from the queue:", err)
		}
	})
}
