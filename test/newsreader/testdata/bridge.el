;;; bridge.el --- Alice at Gnus, at her bridge  -*- lexical-binding: t -*-

;; usage: emacs --batch -l bridge.el HOST PORT STREAM posts GROUP SUBJECT WORDS
;;        emacs --batch -l bridge.el HOST PORT STREAM answers GROUP WORDS ANSWER
;;
;; She posts with C-u a and C-c C-c. Or she waits until an article of GROUP says WORDS,
;; opens it as she would, and answers it with f and C-c C-c: what is printed is the
;; list of articles, and the header and the text of this one. The environment has
;; ALICE_HOME; ATTACH is a file that goes with her answer, SAVE a folder for what is
;; attached to the article.

(load (expand-file-name "gnus.el" (file-name-directory load-file-name)) nil t)
(require 'gnus-sum)
(require 'gnus-group)
(require 'mml)

(defun bridge-word ()
  "The next of what this was called with."
  (decode-coding-string (pop command-line-args-left) 'utf-8))

(defun bridge-start (group)
  "Start Gnus itself, subscribed to GROUP."
  (let ((home (getenv "ALICE_HOME")))
    (setq gnus-startup-file (expand-file-name ".newsrc" home)
          gnus-directory home
          gnus-use-dribble-file nil
          gnus-save-newsrc-file nil
          gnus-save-killed-list nil
          gnus-inhibit-startup-message t
          gnus-novice-user nil
          gnus-large-newsgroup nil
          gnus-message-archive-group nil
          gnus-message-highlight-citation nil ; it waits for a screen
          gnus-subscribe-newsgroup-method #'ignore
          gnus-check-new-newsgroups nil
          gnus-read-newsrc-file t
          message-kill-buffer-on-exit t
          message-post-method gnus-select-method))
  (gnus)
  (gnus-group-unsubscribe-group group gnus-level-default-subscribed t)
  (set-buffer gnus-group-buffer)
  (gnus-group-jump-to-group group))

(defun bridge-press (keys &optional prefix)
  "Do what KEYS do here, after a PREFIX such as that of C-u."
  (let ((command (key-binding (kbd keys)))
        (current-prefix-arg prefix))
    (story-must (commandp command) "no such key here" keys)
    (call-interactively command)))

(defun bridge-send (group words)
  "Write WORDS to the message of this buffer, which must go to GROUP, and send it."
  (story-must (derived-mode-p 'message-mode) "no message" (current-buffer))
  (save-restriction
    (message-narrow-to-headers)
    (story-must (equal (message-fetch-field "Newsgroups") group) "another group"))
  (message-goto-body)
  (insert words "\n")
  (when (getenv "ATTACH")
    (mml-attach-file (getenv "ATTACH") "image/jpeg" "a picture" "attachment"))
  (bridge-press "C-c C-c"))

(defun bridge-posts (group subject words)
  (bridge-start group)
  (bridge-press "a" '(4))
  (message-goto-subject)
  (insert subject)
  (bridge-send group words))

(defun bridge-number (group words)
  "The number of the article that has the words, once it is there."
  (let ((id (story-field (story-await group words) "Message-ID")))
    (mail-header-number
     (seq-find (lambda (header) (equal (mail-header-id header) id)) (story-headers group)))))

(defun bridge-open (number words)
  "Open an article from the summary of the group under the cursor."
  (gnus-group-select-group t)
  (set-buffer gnus-summary-buffer)
  (princ (buffer-string))
  (gnus-summary-goto-subject number)
  (bridge-press "RET")
  (with-current-buffer gnus-article-buffer
    (story-must (string-search words (buffer-string)) "not shown" (buffer-string)))
  (with-current-buffer gnus-original-article-buffer
    (save-restriction
      (message-narrow-to-head)
      (princ (buffer-string))))
  (princ (with-current-buffer gnus-article-buffer (buffer-string))))

(defun bridge-answers (group words answer)
  (let ((number (bridge-number group words)))
    (bridge-start group)
    (bridge-open number words))
  (set-buffer gnus-summary-buffer)
  (when (getenv "SAVE")
    (gnus-summary-save-parts "image/.*" (getenv "SAVE") nil))
  (bridge-press "f")
  (bridge-send "restante.reply" answer))

(story-become "Alice Liddell" "alice@home.example" (getenv "ALICE_HOME"))
(pcase (bridge-word)
  ("posts" (bridge-posts (bridge-word) (bridge-word) (bridge-word)))
  ("answers" (bridge-answers (bridge-word) (bridge-word) (bridge-word))))
(princ "\nThe end.")
;;; bridge.el ends here
