package office

import (
	"fmt"
	"time"

	"github.com/restante/restante/crypto/envelope"
	"github.com/restante/restante/pool/article"
)

// notice is the one fragment that tells a mailbox's owner how much of what came
// for her was dropped. It is an article that can't be answered.
func (o *Office) notice(dropped int) (envelope.Fragment, error) {
	a := article.New()
	for _, field := range [...][2]string{
		{"Path", o.Domain + "!not-for-mail"},
		{"From", "Restante <pool@" + o.Domain + ">"},
		{"Newsgroups", string(Inbox)},
		{"Subject", fmt.Sprintf("Messages dropped: %d", dropped)},
		{"Date", article.Date(time.Now().Truncate(time.Minute))},
		{"Message-ID", string(o.randomID())},
	} {
		if err := a.Add(field[0], field[1]); err != nil {
			return envelope.Fragment{}, err
		}
	}
	err := a.SetBody(fmt.Appendf(nil, "More came for this mailbox than the coming batches have room for.\r\n"+
		"Messages and receipts dropped since the last notice left: %d.\r\n\r\n"+
		"Their senders were not told. If somebody floods this mailbox, others can\r\n"+
		"reach you through another mailbox of yours.\r\n", dropped))
	if err != nil {
		return envelope.Fragment{}, err
	}
	fragments, err := envelope.Split(envelope.KindNotice, a.Text())
	if err != nil {
		return envelope.Fragment{}, err
	}
	return fragments[0], nil
}
