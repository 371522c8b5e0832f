package load

import (
	"errors"
	"fmt"
	"time"
)

// Class says what kind of answer a request got. Each has its own histograms.
type Class uint8

// The classes of answers.
const (
	Decided Class = iota // 2xx
	Denied               // a refusal that is final: 409
	Refused              // a refusal because of load or trouble: 429, 503, 504
	Failed               // anything else
	Classes = 4
)

// Done says that a request is not sent again.
const Done = time.Duration(-1)

// Answer is one HTTP answer. The slices are valid during the call only.
type Answer struct {
	Status   int
	Head     []byte        // status line and headers, without the empty line
	Body     []byte        //
	Due      time.Duration // since the start of the run: when the request was due
	Sent     time.Duration // when this sending of it was written
	Received time.Duration // when its last byte was read
	Attempt  int           // 0 for the first sending
}

// Workload is what one loop sends, and who hears the answers. All calls come from that loop's goroutine.
type Workload interface {
	// AppendRequest appends the bytes of request id to dst. again says that it was sent before.
	AppendRequest(dst []byte, id uint32, again bool) []byte
	// Answer takes the answer to request id and says what it was. Unless wait is Done the request is sent again
	// after it.
	Answer(id uint32, a *Answer) (class Class, wait time.Duration)
	// Lost says that the connection broke, or no answer came in time, after request id was written. Unless the
	// result is Done the request is sent again after it.
	Lost(id uint32, attempt int) (wait time.Duration)
}

// Schedule says which requests are sent when. Request ids run from 0.
type Schedule struct {
	// Arrivals are the times, since the start, at which requests are due, ascending: an open loop. Nil: a closed
	// loop, in which each connection sends its next request when it has its answer.
	Arrivals []time.Duration
	// Requests bounds a closed loop, and must be at least 1 there.
	Requests uint32
	// For is how long a closed loop starts new requests; 0 for until Requests are sent.
	For time.Duration
	// Drain is how long to wait for answers after the last request was started. Default 10 s.
	Drain time.Duration
	// Warmup is the beginning of a closed loop that is not measured.
	Warmup time.Duration
}

// Options of a run; zero values mean the documented default.
type Options struct {
	Addr        string        // host:port of the server
	Connections int           // over all loops. Default 256
	Loops       int           // Default 1
	Timeout     time.Duration // of one answer. Default 10 s
	Connect     time.Duration // how long the first connections may take. Default 5 s
	// Replies makes the answer to a request so many RESP2 replies, of the commands that it carries. Default 0: the answer
	// is HTTP.
	Replies int
	// OnSecond is told of each second of each loop, on the loop's thread; it must not block.
	OnSecond func(Second)
	// Begin is asked for the moment of the start when all connections stand; an error ends the run. Default: in 5 ms.
	Begin func() (t0 time.Time, err error)
	// OnStart is told when the first request may be sent.
	OnStart func(t0 time.Time)
}

// Validate reports every fault of o at once.
func (o *Options) Validate() error {
	var all []error
	if o.Addr == "" {
		all = append(all, errors.New("no Addr is given"))
	}
	if o.Connections < 0 || o.Connections > 1<<14 {
		all = append(all, fmt.Errorf("option Connections is %d; it must be between 0 and %d", o.Connections, 1<<14))
	}
	if o.Loops < 0 || o.Loops > 64 {
		all = append(all, fmt.Errorf("option Loops is %d; it must be between 0 and 64", o.Loops))
	}
	if o.Replies < 0 || o.Replies > 10_000 {
		all = append(all, fmt.Errorf("option Replies is %d; it must be between 0 and 10000", o.Replies))
	}
	if o.Timeout < 0 || o.Connect < 0 {
		all = append(all, errors.New("options Timeout and Connect must not be negative"))
	}
	return errors.Join(all...)
}

// withDefaults returns o with its defaults filled in.
func (o Options) withDefaults() Options {
	if o.Loops == 0 {
		o.Loops = 1
	}
	if o.Connections == 0 {
		o.Connections = 256
	}
	o.Connections = max(o.Connections, o.Loops)
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	if o.Connect == 0 {
		o.Connect = 5 * time.Second
	}
	return o
}

// validate reports every fault of s at once.
func (s *Schedule) validate() error {
	var all []error
	if s.Arrivals == nil && s.Requests == 0 {
		all = append(all, errors.New("a closed loop needs Requests"))
	}
	for i := 1; i < len(s.Arrivals); i++ {
		if s.Arrivals[i] < s.Arrivals[i-1] {
			all = append(all, fmt.Errorf("arrival %d is before the one ahead of it", i))
			break
		}
	}
	return errors.Join(all...)
}

// count returns the number of ids of s.
func (s *Schedule) count() uint32 {
	if s.Arrivals != nil {
		return uint32(len(s.Arrivals))
	}
	return s.Requests
}
