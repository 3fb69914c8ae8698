package bench

import "github.com/restante/restante/gateway/nntp"

const (
	codeStreaming nntp.Code = 203
	codeSend      nntp.Code = 238
	codeTaken     nntp.Code = 239
	codeUnwanted  nntp.Code = 438
)
