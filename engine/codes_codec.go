package engine

// AddImport appends an import of codes.
func (b *Batch) AddImport(c *ImportCodes) {
	w, start := b.begin(opImport)
	w.u32(uint32(c.Campaign))
	w.str(c.Prize)
	w.str(c.Actor)
	w.str(c.Reason)
	w.u32(uint32(len(c.Codes)))
	for i := range c.Codes {
		w.raw(c.Codes[i].Print[:])
		w.bytes(c.Codes[i].Sealed)
	}
	b.end(w, start)
}

func (r *reader) importCodes() ImportCodes {
	c := ImportCodes{Campaign: CampaignRef(r.u32()), Prize: r.str(MaxIDBytes), Actor: r.str(MaxActorBytes), Reason: r.str(MaxReasonBytes)}
	for range r.count(MaxImportCodes) {
		c.Codes = append(c.Codes, SealedCode{r.key(), r.sealedCode()})
		if r.fail {
			break
		}
	}
	return c
}

func (r *reader) sealedCode() []byte {
	b := r.bytes(sealedCodeMost)
	r.fail = r.fail || len(b) < sealedCodeLeast
	return b
}

func (w *writer) prizeCodes(all []PrizeCodes) {
	if len(all) == 0 {
		return
	}
	w.u32(uint32(len(all)))
	for i := range all {
		w.u16(uint16(all[i].Prize))
		w.str(all[i].Shared)
		w.u32(all[i].LowWater)
	}
}

func (r *reader) prizeCodes() (all []PrizeCodes) {
	for range r.count(MaxPrizes) {
		all = append(all, PrizeCodes{int16(r.u16()), r.str(MaxCodeBytes), r.u32()})
	}
	return all
}

func (w *writer) codeBooks(all []codeBook) {
	if len(all) == 0 {
		return
	}
	w.u32(uint32(len(all)))
	for i := range all {
		b := &all[i]
		w.str(b.prize)
		w.flag(b.low)
		w.flag(b.noted)
		w.u32(uint32(len(b.prints)))
		for j := range b.prints {
			w.raw(b.prints[j][:])
		}
		w.u32(uint32(len(b.sealed)))
		for _, sealed := range b.sealed {
			w.bytes(sealed)
		}
	}
}

func (r *reader) codeBooks() (all []codeBook) {
	for range r.count(MaxPrizesEver) {
		b := codeBook{prize: r.str(MaxIDBytes), low: r.flag(), noted: r.flag(), known: map[Key]struct{}{}}
		for range r.count(MaxCodes) {
			k := r.key()
			if r.fail {
				return nil
			}
			b.prints = append(b.prints, k)
			b.known[k] = struct{}{}
		}
		for range r.count(len(b.prints)) {
			sealed := clone(r.sealedCode())
			if r.fail {
				return nil
			}
			b.sealed = append(b.sealed, sealed)
		}
		if r.fail {
			return nil
		}
		all = append(all, b)
	}
	return all
}

// cutCodes copies the books: sealed codes never change, so they are shared.
func (c *Campaign) cutCodes() []codeBook {
	all := make([]codeBook, len(c.codes))
	for i, b := range c.codes {
		all[i] = codeBook{prize: b.prize, low: b.low, noted: b.noted, prints: b.prints[:len(b.prints):len(b.prints)], sealed: b.sealed[:len(b.sealed):len(b.sealed)]}
	}
	return all
}

// missingCodes reports whether the live version's codes have no books, or units no code.
func (c *Campaign) missingCodes(v *Version) bool {
	for i := range v.Codes {
		if prize := int(v.Codes[i].Prize); v.unique(prize) {
			b, at := c.codeBook(v.Prizes[prize].ID), c.books.find(v.Prizes[prize].ID)
			if b == nil || at < 0 || Quantity(b.left()) < c.books[at].Available+c.books[at].Reserved {
				return true
			}
		}
	}
	return false
}
