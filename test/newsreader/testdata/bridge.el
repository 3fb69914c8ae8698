;;; bridge.el --- Carol at Gnus, at her bridge  -*- lexical-binding: t -*-

;; usage: emacs --batch -l bridge.el HOST PORT STREAM GROUP WORDS ANSWER
;;
;; She waits until an article of GROUP says WORDS, opens it as she would, and
;; answers it with f and C-c C-c. The environment has CAROL_HOME.

(load (expand-file-name "gnus.el" (file-name-directory load-file-name)) nil t)
(require 'gnus-sum)
(require 'gnus-group)

(defconst bridge-group (pop command-line-args-left))
(defconst bridge-words (decode-coding-string (pop command-line-args-left) 'utf-8))
(defconst bridge-answer (decode-coding-string (pop command-line-args-left) 'utf-8))

(defun bridge-start ()
  "Start Gnus itself, subscribed to the group."
  (let ((home (getenv "CAROL_HOME")))
    (setq gnus-startup-file (expand-file-name ".newsrc" home)
          gnus-directory home
          gnus-use-dribble-file nil
          gnus-save-newsrc-file nil
          gnus-save-killed-list nil
          gnus-inhibit-startup-message t
          gnus-novice-user nil
          gnus-large-newsgroup nil
          gnus-message-highlight-citation nil ; it waits for a screen
          gnus-subscribe-newsgroup-method #'ignore
          gnus-check-new-newsgroups nil
          gnus-read-newsrc-file t))
  (gnus)
  (gnus-group-unsubscribe-group bridge-group gnus-level-default-subscribed t))

(defun bridge-number ()
  "The number of the article that has the words, once it is there."
  (story-become "Carol King" "carol@play.example" (getenv "CAROL_HOME"))
  (let ((id (story-field (story-await bridge-group bridge-words) "Message-ID")))
    (mail-header-number
     (seq-find (lambda (header) (equal (mail-header-id header) id)) (story-headers bridge-group)))))

(defun bridge-press (keys)
  "Do what KEYS do here."
  (let ((command (key-binding (kbd keys))))
    (story-must (commandp command) "no such key here" keys)
    (call-interactively command)))

(defun bridge-open (number)
  "Open an article from the summary of its group."
  (set-buffer gnus-group-buffer)
  (gnus-group-jump-to-group bridge-group)
  (gnus-group-select-group t)
  (set-buffer gnus-summary-buffer)
  (gnus-summary-goto-subject number)
  (bridge-press "RET")
  (with-current-buffer gnus-article-buffer
    (story-must (string-search bridge-words (buffer-string)) "not shown")))

(defun bridge-follow ()
  "Press f, write the answer, and press C-c C-c."
  (set-buffer gnus-summary-buffer)
  (bridge-press "f")
  (story-must (derived-mode-p 'message-mode) "no message" (current-buffer))
  (save-restriction
    (message-narrow-to-headers)
    (story-must (equal (message-fetch-field "Newsgroups") "restante.reply") "another group"))
  (message-goto-body)
  (insert bridge-answer "\n")
  (let ((gnus-message-archive-group nil)
        (message-kill-buffer-on-exit t)
        (message-post-method gnus-select-method))
    (bridge-press "C-c C-c")))

(let ((number (bridge-number)))
  (bridge-start)
  (bridge-open number))
(princ (with-current-buffer gnus-original-article-buffer (buffer-string)))
(bridge-follow)
(princ "\nThe end.")
;;; bridge.el ends here
