// Sends the answer on. Without scripts the reader presses the button.
document.forms[0].submit()
