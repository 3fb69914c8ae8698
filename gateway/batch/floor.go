package batch

// NotBefore closes every batch before that one for deposits, though the clock
// says that it is still to come: a clock that was set back must not lead to tags
// of an epoch that has passed.
func (q *Queue) NotBefore(batch uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.open = max(q.open, batch)
}
