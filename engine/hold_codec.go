package engine

// AddHold appends a hold.
func (b *Batch) AddHold(c *Hold) {
	w, start := b.begin(opHold)
	w.u32(uint32(c.Namespace))
	w.raw(c.Owner[:])
	w.raw(c.Digest[:])
	w.bytes(c.OwnerID)
	w.bytes(c.Ref)
	w.i64(c.TTL)
	w.items(c.Items)
	w.str(c.Actor)
	b.end(w, start)
}

func (r *reader) hold() Hold {
	c := Hold{
		Namespace: NamespaceRef(r.u32()), Owner: r.key(), Digest: r.key(), OwnerID: r.bytes(MaxUserBytes), Ref: r.bytes(MaxRefBytes),
		TTL: r.i64(), Items: r.items(), Actor: r.actor(),
	}
	r.owned(c.OwnerID, &c.Owner, &c.Digest)
	return c
}

// owned refuses what cannot have been proposed at all: a key is in its owner's shard.
func (r *reader) owned(id []byte, owner, digest *Key) {
	r.fail = r.fail || len(id) == 0 || digest[0] != owner[0] || (digest[1]^owner[1])&0xC0 != 0
}

// AddTake appends a take.
func (b *Batch) AddTake(c *Take) {
	w, start := b.begin(opTake)
	w.u32(uint32(c.Namespace))
	w.raw(c.Owner[:])
	w.raw(c.Digest[:])
	w.bytes(c.OwnerID)
	w.bytes(c.Ref)
	w.u32(uint32(c.Pool))
	w.u32(uint32(c.Units))
	w.str(c.Actor)
	b.end(w, start)
}

func (r *reader) takeUnits() Take {
	c := Take{
		Namespace: NamespaceRef(r.u32()), Owner: r.key(), Digest: r.key(), OwnerID: r.bytes(MaxUserBytes), Ref: r.bytes(MaxRefBytes),
		Pool: PoolRef(r.u32()), Units: Quantity(r.u32()), Actor: r.actor(),
	}
	r.owned(c.OwnerID, &c.Owner, &c.Digest)
	return c
}

// AddConfirm appends a confirmation.
func (b *Batch) AddConfirm(c *ConfirmHold) {
	w, start := b.begin(opConfirm)
	w.u32(uint32(c.Namespace))
	w.holdRef(c.Hold)
	w.items(c.Items)
	w.flag(c.Reacquire)
	w.str(c.Actor)
	b.end(w, start)
}

func (r *reader) confirmHold() ConfirmHold {
	return ConfirmHold{
		Namespace: NamespaceRef(r.u32()), Hold: r.holdRef(), Items: r.items(), Reacquire: r.flag(), Actor: r.actor(),
	}
}

// AddRelease appends a release.
func (b *Batch) AddRelease(c *ReleaseHold) {
	w, start := b.begin(opRelease)
	w.u32(uint32(c.Namespace))
	w.holdRef(c.Hold)
	w.str(c.Actor)
	w.str(c.Reason)
	b.end(w, start)
}

func (r *reader) releaseHold() ReleaseHold {
	return ReleaseHold{Namespace: NamespaceRef(r.u32()), Hold: r.holdRef(), Actor: r.actor(), Reason: r.str(MaxReasonBytes)}
}

// AddExtend appends an extension.
func (b *Batch) AddExtend(c *ExtendHold) {
	w, start := b.begin(opExtend)
	w.u32(uint32(c.Namespace))
	w.holdRef(c.Hold)
	w.i64(int64(c.Until))
	w.i64(c.TTL)
	w.str(c.Actor)
	b.end(w, start)
}

func (r *reader) extendHold() ExtendHold {
	c := ExtendHold{
		Namespace: NamespaceRef(r.u32()), Hold: r.holdRef(), Until: UnixMilli(r.i64()), TTL: r.i64(), Actor: r.actor(),
	}
	r.fail = r.fail || c.TTL < 0 || c.TTL > MaxHoldLife || c.Until < 0
	return c
}

// AddHoldVoid appends a void of a hold.
func (b *Batch) AddHoldVoid(c *VoidHold) { b.voidUnits(opVoidHold, c) }

// AddTakeVoid appends a void of a take.
func (b *Batch) AddTakeVoid(c *VoidTake) {
	b.voidUnits(opVoidTake, &VoidHold{c.Namespace, c.Take, c.Fault, c.Actor, c.Reason})
}

func (b *Batch) voidUnits(o op, c *VoidHold) {
	w, start := b.begin(o)
	w.u32(uint32(c.Namespace))
	w.holdRef(c.Hold)
	w.u8(uint8(c.Fault))
	w.str(c.Actor)
	w.str(c.Reason)
	b.end(w, start)
}

func (r *reader) voidHold() VoidHold {
	return VoidHold{
		Namespace: NamespaceRef(r.u32()), Hold: r.holdRef(), Fault: r.fault(), Actor: r.actor(),
		Reason: r.str(MaxReasonBytes),
	}
}

func (w *writer) items(items []Item) {
	w.u8(uint8(len(items)))
	for _, x := range items {
		w.u32(uint32(x.Pool))
		w.u32(uint32(x.Units))
	}
}

// items reads up to MaxHoldItems.
func (r *reader) items() (items []Item) {
	n := r.enum(MaxHoldItems + 1)
	if r.kept != nil {
		items = r.kept.items[:0]
	}
	for range n {
		items = append(items, Item{PoolRef(r.u32()), Quantity(r.u32())})
	}
	return items
}

func (w *writer) holdRef(h HoldRef) {
	w.u64(uint64(h.At.Index))
	w.u16(h.At.Ordinal)
	w.u16(h.Home)
}

func (r *reader) holdRef() HoldRef {
	return HoldRef{Location{LogIndex(r.u64()), r.u16()}, r.u16()}
}
