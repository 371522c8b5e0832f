package engine

// SetEncoded replaces the commands of b by a copy of encoded ones, as Commands of another batch has them, and forgets what
// else was in b. They are not looked at: whoever proposes them checks (CheckCommands).
func (b *Batch) SetEncoded(commands []byte, count int) {
	b.Reset()
	b.commands, b.count = append(b.commands, commands...), count
}
