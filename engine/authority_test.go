package engine

import "testing"

// TestAuthority: what the data plane sends may come in anywhere, what operators decide at a node with a vote; what makes, raises or
// renames a cluster is the leader's own. One command is enough to make a batch what it is.
func TestAuthority(t *testing.T) {
	front := map[string]func(*Batch){
		"draw": func(b *Batch) { b.AddDraw(&Draw{}) }, "tick": (*Batch).AddTick, "abandon": func(b *Batch) { b.AddAbandon(&Abandon{}) },
		"grant": func(b *Batch) { b.AddGrant(&Grant{}) }, "revoke": func(b *Batch) { b.AddRevoke(&Revoke{}) }, "hit": func(b *Batch) { b.AddHit(&Hit{}) },
		"help": func(b *Batch) { b.AddHelp(&Help{}) }, "take": func(b *Batch) { b.AddTake(&Take{}) }, "hold": func(b *Batch) { b.AddHold(&Hold{}) },
		"confirm": func(b *Batch) { b.AddConfirm(&ConfirmHold{}) }, "release": func(b *Batch) { b.AddRelease(&ReleaseHold{}) },
		"extend": func(b *Batch) { b.AddExtend(&ExtendHold{}) }, "void hold": func(b *Batch) { b.AddHoldVoid(&VoidHold{}) },
		"void take": func(b *Batch) { b.AddTakeVoid(&VoidTake{}) }, "claim": func(b *Batch) { b.AddMoveAward(&MoveAward{}) },
	}
	operator := map[string]func(*Batch){
		"document": func(b *Batch) { b.AddDocument(&PutDocument{}) }, "key": func(b *Batch) { b.AddKey(&PutKey{}) },
		"control": func(b *Batch) { b.AddControl(&Control{}) }, "adjust": func(b *Batch) { b.AddAdjust(&Adjust{}) }, "switch": func(b *Batch) { b.AddSwitch(&SetSwitch{}) },
		"approve": func(b *Batch) { b.AddApprove(&Approve{}) }, "award": func(b *Batch) { b.AddAward(&Award{}) }, "void": func(b *Batch) { b.AddVoid(&Void{}) },
		"pool": func(b *Batch) { b.AddPool(&PutPool{}) }, "list": func(b *Batch) { b.AddList(&PutList{}) }, "thaw": func(b *Batch) { b.AddThaw(&Thaw{}) },
	}
	leader := map[string]func(*Batch){
		"init": func(b *Batch) { b.AddInit(&Init{Namespace: NewNamespace{Name: "n"}}) }, "raise": func(b *Batch) { b.AddRaise(&Raise{}) },
		"restored": func(b *Batch) { b.AddRestored(&Restored{}) },
	}
	for want, all := range []map[string]func(*Batch){front, operator, leader} {
		for what, add := range all {
			var b Batch
			add(&b)
			for _, behind := range []bool{false, true} {
				if behind {
					b.Reset()
					b.AddTick()
					add(&b)
				}
				if got, err := AuthorityOf(b.Commands(), b.Len()); err != nil || got != Authority(want) {
					t.Errorf("%s: %d, %v, want %d", what, got, err, want)
				}
			}
		}
	}
	if op(249).authority() == AuthorityFront {
		t.Error("what nobody knows yet is the data plane's")
	}
	if _, err := AuthorityOf([]byte{1}, 1); err == nil {
		t.Error("a damaged command is somebody's")
	}
}
