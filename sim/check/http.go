package check

import (
	"bytes"

	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/server/render"
)

// overHTTP holds what came over HTTP against the log: the bytes of answers, and that refusals told the truth. What an answer
// says of records is filled into its attempt, for whoever looks at all of them.
func (j *judge) overHTTP() {
	ends := map[string]uint64{} // when an outcome of a key was first told
	for _, a := range j.Attempts {
		if a.Outcome != Decided || a.Key == "" || a.Command == nil || a.Answer == nil && a.Result.Code != problem.OK {
			continue
		}
		if end, known := ends[a.Key]; !known || a.Returned < end {
			ends[a.Key] = a.Returned
		}
	}
	for _, a := range j.Attempts {
		switch {
		case a.Answer == nil || a.Command == nil:
		case a.Outcome == Decided:
			j.verdict.Decided++
			j.answered(a)
		case a.Outcome == None:
			j.refused(a, ends)
		}
	}
}

// answered judges a draw that was told.
func (j *judge) answered(a *Attempt) {
	at, there := j.at[a]
	log, known := j.told[a]
	first := j.first[a.Key]
	switch {
	case first == nil || !a.Answer.Replayed && !there:
		j.verdict.fault("lost", "%s was told a draw, at %d, and the log has none: %s", a, a.Index, a.Answer.Body)
		return
	case there && !known:
		return // the replay ended before
	case there && log.result.Code != problem.OK:
		j.verdict.fault("changed", "%s was told a draw, the log comes to %v: %s", a, log.result.Code, a.Answer.Body)
		return
	case there && log.result.Replayed != a.Answer.Replayed:
		j.verdict.fault("changed", "%s was told replayed %v, the log comes to %+v", a, a.Answer.Replayed, log.result)
	}
	told := j.told[first]
	if want := told.result.At.Index; a.Index != want || !a.Answer.Replayed && at.index != want {
		j.verdict.fault("changed", "%s was told that entry %d decided it; it was %d", a, a.Index, want)
	}
	want, err := j.rendered(&told)
	if err != nil || !bytes.Equal(want, a.Answer.Body) {
		j.verdict.fault("changed", "%s was told %s, the log comes to %s (%v)", a, a.Answer.Body, want, err)
	}
	a.Result, a.Records = told.result, told.records
	a.Result.Replayed = a.Answer.Replayed
}

// rendered returns the bytes in which an outcome is told.
func (j *judge) rendered(of *answer) ([]byte, error) {
	e := j.verdict.Replay.Engine
	c, ok := e.CampaignByRef(of.result.Campaign)
	if !ok {
		return nil, nil
	}
	r := render.Answer{IDs: e, Campaign: c, At: of.result.At, Records: of.records, Count: int(of.result.Records)}
	return r.AppendJSON(nil)
}

// refused judges a refusal that stated no effect: in the log it is a denial, for the reason that was told. Who sends again
// under a key, and says so, is not denied what had been told before.
func (j *judge) refused(a *Attempt, ends map[string]uint64) {
	at, there := j.at[a]
	if log, known := j.told[a]; there && known && log.result.Code != a.Answer.Code {
		j.verdict.fault("effect", "%s was told %v and no effect, and comes to %v in the log at %v: %s", a, a.Answer.Code, log.result.Code, at, a.Answer.Body)
	}
	if end, told := ends[a.Key]; told && a.Key != "" && end < a.Invoked && a.Answer.Retry && a.Answer.Code.Info().Status < 500 {
		j.verdict.fault("forgotten", "%s was denied as %v what had been told by tick %d: %s", a, a.Answer.Code, end, a.Answer.Body)
	}
}
