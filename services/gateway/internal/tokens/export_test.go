package tokens

// Remembered returns how many people are remembered.
func Remembered(p *People) int { return len(p.young) + len(p.old) }
