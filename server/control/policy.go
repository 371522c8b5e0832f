package control

import (
	"net/http"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/campaignfile"
	"github.com/drawd/drawd/engine/problem"
	"github.com/drawd/drawd/server/render"
)

// defaultPolicy is a namespace's policy before the first change.
const defaultPolicy = `{"time_zone":"UTC"}`

// answerPolicy writes a policy with its ETag.
func (x *exchange) answerPolicy(p *engine.NamespacePolicy) *render.Problem {
	x.Header().Set("ETag", etag(p.Revision))
	document := p.Document
	if len(document) == 0 {
		document = []byte(defaultPolicy)
	}
	x.answerBytes(http.StatusOK, typeJSON, append(document[:len(document):len(document)], '\n'))
	return nil
}

func (p *Plane) getPolicy(x *exchange) *render.Problem {
	if refused := x.noQuery(); refused != nil {
		return refused
	}
	policy := x.grant.Namespace.Policy()
	if x.unchanged(policy.Revision) {
		return nil
	}
	return x.answerPolicy(policy)
}

func (p *Plane) putPolicy(x *exchange) *render.Problem {
	if refused := x.noQuery(); refused != nil {
		return refused
	}
	source, _, refused := x.readFile()
	if refused != nil {
		return refused
	}
	policy, faults := campaignfile.ParsePolicy(source)
	if policy == nil {
		return invalidPolicy(faults)
	}
	ns := x.grant.Namespace
	old := ns.Policy().Revision
	if refused := x.precondition(old, true); refused != nil {
		return refused
	}
	if err := ns.CheckPolicy(policy); err != nil {
		return refusal(problem.InvalidField, err.Error())
	}
	var b engine.Batch
	b.AddPolicy(&engine.PutPolicy{Namespace: ns.Ref(), Expect: old, Policy: policy, Actor: x.grant.Actor()})
	r, refused := x.decide(&b)
	if refused != nil {
		if refused.Code == problem.VersionConflict {
			return x.versionConflict(r.Value)
		}
		if refused.Code == problem.Conflict && !r.Pending {
			return x.tooFewPeople(int(r.Value), policy.Approvals)
		}
		return refused
	}
	if r.Pending {
		return x.answerPending(uint32(r.Value), nil)
	}
	policy.Revision = r.Value
	return x.answerPolicy(policy)
}

// invalidPolicy is the refusal of a policy that has faults.
func invalidPolicy(faults []campaignfile.Fault) *render.Problem {
	p := invalidCampaign(faults)
	p.Code = problem.InvalidField
	for _, f := range faults {
		if f.Code == problem.UnknownField {
			p.Code = problem.UnknownField
		}
	}
	return p
}
