package engine

// The commands of the control plane: rare, so they share the plain codec of wire.go. Encoding and decoding of each
// stand together.

// AddTick appends a tick: it moves the log's time and nothing else.
func (b *Batch) AddTick() {
	w, start := b.begin(opTick)
	b.end(w, start)
}

// AddInit appends the first command of a cluster.
func (b *Batch) AddInit(c *Init) {
	w, start := b.begin(opInit)
	w.raw(c.ClusterID[:])
	w.raw(c.IDKey[:])
	w.str(c.Namespace.Name)
	w.raw(c.Namespace.Secret[:])
	b.end(w, start)
}

func (r *reader) init() Init {
	return Init{ClusterID: r.key(), IDKey: r.key(), Namespace: r.newNamespace()}
}

// AddNamespace appends the creation of a namespace.
func (b *Batch) AddNamespace(c *NewNamespace) {
	w, start := b.begin(opNamespace)
	w.str(c.Name)
	w.raw(c.Secret[:])
	b.end(w, start)
}

func (r *reader) newNamespace() NewNamespace {
	return NewNamespace{Name: r.str(MaxNamespaceBytes), Secret: r.key()}
}

// AddPublish appends a publish.
func (b *Batch) AddPublish(c *Publish) {
	o := opPublish
	if c.Expect != 0 {
		o = opPublishFrom
	}
	w, start := b.begin(o)
	if c.Expect != 0 {
		w.u32(c.Expect)
	}
	w.publish(c)
	b.end(w, start)
}

func (w *writer) publish(c *Publish) {
	w.u32(uint32(c.Namespace))
	w.raw(c.Version.Salt[:])
	w.bytes(c.SealedSeed)
	w.str(c.Actor)
	w.str(c.Reason)
	w.appendForm(c.Version)
}

// publish decodes a publish and the bytes of its form.
// publishing reads a publish of any of its operations, and when it is to happen.
func (r *reader) publishing(o op) (c Publish, form []byte, at UnixMilli) {
	expect := uint32(0)
	if o == opPublishFrom || o == opPublishAtFrom {
		expect = r.expect()
	}
	if o == opPublishAt || o == opPublishAtFrom {
		at = UnixMilli(r.i64())
	}
	c, form = r.publish()
	c.Expect = expect
	return c, form, at
}

func (r *reader) publish() (c Publish, form []byte) {
	c.Namespace = NamespaceRef(r.u32())
	salt := r.key()
	c.SealedSeed = clone(r.bytes(sealedSeedBytes))
	c.Actor = r.str(MaxActorBytes)
	c.Reason = r.str(MaxReasonBytes)
	form = r.b
	c.Version = r.form()
	c.Version.Salt = salt
	return c, form[:len(form)-len(r.b)]
}

// AddControl appends a pause, resume or end.
func (b *Batch) AddControl(c *Control) {
	w, start := b.begin(opControl)
	w.u32(uint32(c.Campaign))
	w.u8(uint8(c.Action))
	w.flag(c.ExtendByPause)
	w.str(c.Actor)
	w.str(c.Reason)
	b.end(w, start)
}

func (r *reader) control() Control {
	return Control{
		Campaign: CampaignRef(r.u32()), Action: Action(r.enum(uint8(ActionEnd) + 1)), ExtendByPause: r.flag(),
		Actor: r.str(MaxActorBytes), Reason: r.str(MaxReasonBytes),
	}
}

// AddAdjust appends a change of stock.
func (b *Batch) AddAdjust(c *Adjust) {
	w, start := b.begin(opAdjust)
	w.u32(uint32(c.Campaign))
	w.str(c.Prize)
	w.i64(int64(c.Delta))
	w.raw(c.Digest[:])
	w.str(c.Actor)
	w.str(c.Reason)
	b.end(w, start)
}

func (r *reader) adjust() Adjust {
	return Adjust{
		Campaign: CampaignRef(r.u32()), Prize: r.str(maxCellIDBytes), Delta: Quantity(r.i64()), Digest: r.key(),
		Actor: r.str(MaxActorBytes), Reason: r.str(MaxReasonBytes),
	}
}

// AddPolicy appends a change of a namespace's policy.
func (b *Batch) AddPolicy(c *PutPolicy) {
	w, start := b.begin(opPolicy)
	w.u32(uint32(c.Namespace))
	w.u64(c.Expect)
	w.str(c.Actor)
	w.policy(c.Policy)
	w.policySections(c.Policy)
	b.end(w, start)
}

func (r *reader) putPolicy() PutPolicy {
	c := PutPolicy{
		Namespace: NamespaceRef(r.u32()), Expect: r.u64(), Actor: r.str(MaxActorBytes), Policy: r.policy(),
	}
	r.sections(false, c.Policy.section)
	return c
}

// policySections appends what only some policies have. In a namespace's state it stands in that state's sections.
func (w *writer) policySections(p *NamespacePolicy) {
	w.section(policyApprovals, func(w *writer) {
		if p.Approvals > 0 {
			w.u8(p.Approvals)
		}
	})
	w.section(policyPurses, func(w *writer) {
		if len(p.Purses) > 0 {
			w.purses(p.Purses)
		}
	})
	w.section(policyAwards, func(w *writer) {
		if p.AwardLimit > 0 {
			w.i64(p.AwardLimit)
		}
	})
	w.section(policyFatigue, func(w *writer) {
		if len(p.FatigueCaps) > 0 {
			w.fatigueCaps(p.FatigueCaps)
		}
	})
}

func (p *NamespacePolicy) section(tag uint8, body *reader) bool {
	switch tag {
	case policyApprovals:
		p.Approvals = body.enum(MaxApprovers + 1)
	case policyPurses:
		p.Purses = body.purses()
	case policyAwards:
		p.AwardLimit = body.i64()
	case policyFatigue:
		p.FatigueCaps = body.fatigueCaps()
	default:
		return false
	}
	return true
}

func (w *writer) policy(p *NamespacePolicy) {
	w.u64(p.Revision)
	w.str(p.TimeZone)
	w.transitions(p.Transitions)
	w.u32(uint32(len(p.AggregateCaps)))
	for _, c := range p.AggregateCaps {
		w.str(c.ID)
		w.u8(uint8(c.Counts))
		w.u8(uint8(c.Scope))
		w.window(c.Window)
		w.u32(c.Limit)
	}
	w.u64(p.MaxUsers)
	w.u64(p.MaxKeys)
	w.bytes(p.Document)
}

func (r *reader) policy() *NamespacePolicy {
	p := &NamespacePolicy{Revision: r.u64(), TimeZone: r.str(MaxIDBytes), Transitions: r.transitions()}
	if n := r.count(MaxAggregateCaps); n > 0 {
		p.AggregateCaps = make([]AggregateCap, n)
	}
	for i := range p.AggregateCaps {
		p.AggregateCaps[i] = AggregateCap{
			ID: r.str(MaxIDBytes), Counts: Counts(r.enum(uint8(countKinds))), Scope: Scope(r.enum(scopes)),
			Window: r.window(), Limit: r.u32(),
		}
	}
	p.MaxUsers, p.MaxKeys = r.u64(), r.u64()
	p.Document = clone(r.bytes(MaxDocumentBytes))
	return p
}

// Validate reports the first rule that p breaks.
func (p *NamespacePolicy) Validate() error {
	if p.AwardLimit < 0 {
		return invalid("daily value of awards")
	}
	if p.Approvals > MaxApprovers {
		return invalid("number of approvals")
	}
	if len(p.AggregateCaps) > MaxAggregateCaps || len(p.Transitions) > MaxTransitions {
		return invalid("number of aggregate caps or transitions")
	}
	for i := range p.AggregateCaps {
		c := &p.AggregateCaps[i]
		for j := range i {
			if p.AggregateCaps[j].ID == c.ID {
				return invalid("cap id twice: " + c.ID)
			}
		}
		if err := validateCounter(c.ID, c.Counts, c.Window, c.Limit); err != nil {
			return err
		}
		if c.Counts.ofHelps() {
			return invalid("what cap " + c.ID + " counts: campaigns have helps, namespaces have none")
		}
		if c.Window.Kind == WindowSession {
			return invalid("window of cap " + c.ID + ": campaigns have sessions, namespaces have none")
		}
	}
	return validateFatigue(p.FatigueCaps)
}

// AddDocument appends a write or removal of a document.
func (b *Batch) AddDocument(c *PutDocument) {
	w, start := b.begin(opDocument)
	w.document(c)
	b.end(w, start)
}

func (w *writer) document(c *PutDocument) {
	w.u32(uint32(c.Namespace))
	w.str(c.Name)
	w.u64(c.Expect)
	w.flag(c.Delete)
	w.bytes(c.Body)
	w.str(c.Actor)
}

func (r *reader) document() PutDocument {
	return PutDocument{
		Namespace: NamespaceRef(r.u32()), Name: r.str(MaxDocumentNameBytes), Expect: r.u64(), Delete: r.flag(),
		Body: clone(r.bytes(MaxDocumentBytes)), Actor: r.str(MaxActorBytes),
	}
}

// AddAbandon appends the fencing of an idempotency key.
func (b *Batch) AddAbandon(c *Abandon) {
	w, start := b.begin(opAbandon)
	w.u32(uint32(c.Campaign))
	w.raw(c.User[:])
	w.raw(c.Digest[:])
	w.bytes(c.UserID)
	w.str(c.Actor)
	b.end(w, start)
}

func (r *reader) abandon() Abandon {
	return Abandon{
		Campaign: CampaignRef(r.u32()), User: r.key(), Digest: r.key(), UserID: r.bytes(MaxUserBytes),
		Actor: r.str(MaxActorBytes),
	}
}
