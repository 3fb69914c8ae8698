;;; gnus.el --- Somebody at Gnus  -*- lexical-binding: t -*-

;; Loaded by what plays with Gnus, which is called with HOST PORT STREAM first.
;; STREAM is what Gnus calls nntp-open-connection-function. CERTIFICATE in the
;; environment is a file with the certificate to believe.
;; What is written here goes the way of the keys that a person would press:
;; message.el makes the articles, and the nntp back end sends them.

(require 'gnus)
(require 'gnus-start)
(require 'gnus-msg)
(require 'message)
(require 'nntp)
(require 'gnutls)
(require 'nsm)

(defconst story-host (pop command-line-args-left))
(defconst story-port (string-to-number (pop command-line-args-left)))
(defconst story-stream (intern (pop command-line-args-left)))
(defconst story-patience 180 "Seconds until the next batches have left.")

;; Nobody can be asked anything here: a certificate is good or it is not.
(setq gnutls-verify-error t
      gnutls-trustfiles (delq nil (list (getenv "CERTIFICATE")))
      network-security-level 'low)
(make-directory user-emacs-directory t) ; it keeps what it knows of certificates there
(setq gnus-verbose 1
      gnus-verbose-backends 0
      gnus-read-active-file nil
      gnus-agent nil
      gnus-use-cache nil
      message-confirm-send nil
      message-interactive t
      message-use-followup-to 'use
      message-auto-save-directory nil
      message-signature nil)

(defun story-must (ok what &rest words)
  "Fail, and say WHAT, unless OK."
  (unless ok (error "%s: %s; the server said %S"
                    what (mapconcat (lambda (w) (format "%S" w)) words " ")
                    (nnheader-get-report 'nntp)))
  ok)

(defun story-become (name address home)
  "Be NAME from now on, who has a newsreader in HOME."
  (nntp-close-server)
  (setq user-full-name name
        user-mail-address address
        auth-sources (list (expand-file-name ".authinfo" home))
        nntp-authinfo-file (expand-file-name ".authinfo" home)
        message-directory home
        gnus-newsgroup-name nil)
  (auth-source-forget-all-cached)
  (let ((method `(nntp ,story-host
                       (nntp-port-number ,story-port)
                       (nntp-open-connection-function ,story-stream))))
    (setq gnus-select-method method
          gnus-server-alist nil)
    (gnus-close-server method)
    (story-must (gnus-open-server method) "no connection" method)))

(defun story-groups ()
  "The groups, as an alist of their names and flags."
  (story-must (nntp-request-list story-host) "no groups")
  (with-current-buffer nntp-server-buffer
    (goto-char (point-min))
    (let (groups)
      (while (re-search-forward "^\\([^ \n]+\\) [0-9]+ [0-9]+ \\(.\\)" nil t)
        (push (cons (match-string 1) (match-string 2)) groups))
      groups)))

(defun story-headers (group)
  "The overviews of the articles of GROUP."
  (story-must (nntp-request-group group story-host) "no group" group)
  (let (low high count)
    (with-current-buffer nntp-server-buffer
      (goto-char (point-min))
      (story-must (looking-at "211 \\([0-9]+\\) \\([0-9]+\\) \\([0-9]+\\)") "no counts")
      (setq count (string-to-number (match-string 1))
            low (string-to-number (match-string 2))
            high (string-to-number (match-string 3))))
    (when (> count 0)
      (let ((gnus-newsgroup-name group)
            (articles (number-sequence low high)))
        (story-must (eq (nntp-retrieve-headers articles group story-host) 'nov) "no overview" group)
        (with-current-buffer nntp-server-buffer
          (goto-char (point-min))
          (let (headers)
            (while (not (eobp))
              (when (looking-at "[0-9]+\t")
                (push (nnheader-parse-nov) headers))
              (forward-line 1))
            headers))))))

(defun story-article (header group)
  "A buffer that shows the article of HEADER as Gnus shows it to people."
  (let ((buffer (get-buffer-create gnus-original-article-buffer)))
    (with-current-buffer buffer
      (set-buffer-multibyte nil)
      (erase-buffer)
      (story-must (nntp-request-article (mail-header-number header) group story-host buffer)
                  "no article" (mail-header-number header))
      (goto-char (point-min)))
    buffer))

(defun story-text (buffer)
  "The text of an article."
  (with-current-buffer buffer
    (decode-coding-string (buffer-string) 'utf-8)))

(defun story-field (buffer field)
  "A header field of an article, decoded."
  (with-current-buffer buffer
    (save-restriction
      (message-narrow-to-head)
      (let ((value (message-fetch-field field)))
        (and value (decode-coding-string (mail-decode-encoded-word-string value) 'utf-8))))))

(defun story-await (group words)
  "Wait until an article of GROUP says WORDS, and return its buffer."
  (let ((late (+ (float-time) story-patience)) found)
    (while (not found)
      (story-must (< (float-time) late) "nothing came" group words)
      (dolist (header (story-headers group))
        (unless found
          (let ((buffer (story-article header group)))
            (when (string-search words (story-text buffer))
              (story-must (equal (mail-header-id header) (story-field buffer "Message-ID")) "another id")
              (setq found buffer)))))
      (unless found (sleep-for 0.1)))
    found))

(defun story-send ()
  "Send the article of this buffer as C-c C-c does."
  (let ((message-post-method gnus-select-method)
        (gnus-message-archive-group nil)
        (message-fcc-handler-function #'ignore))
    (story-must (message-send) "not posted"))
  (set-buffer-modified-p nil)
  (kill-buffer))

(defun story-post (group subject words)
  "Write to a group, as `a' does."
  (message-news group subject)
  (message-goto-body)
  (insert words "\n")
  (story-send))

(defun story-follow (buffer words)
  "Answer an article wherever its author wants it, as `f' does."
  (set-buffer buffer)
  (set-buffer-multibyte t)
  (save-restriction
    (message-narrow-to-head)
    (mail-decode-encoded-word-region (point-min) (point-max)))
  (message-followup)
  (let ((group (save-restriction
                 (message-narrow-to-headers)
                 (message-fetch-field "Newsgroups"))))
    (story-must (equal group "restante.reply") "another group" group))
  (message-goto-body)
  (insert words "\n")
  (story-send))

(defun story-hides (buffer &rest words)
  "Fail if an article shows one of WORDS."
  (dolist (word words)
    (story-must (not (string-search word (story-text buffer))) "shown" word)))

;;; gnus.el ends here
