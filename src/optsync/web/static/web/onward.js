// Presses the button of the page to which Salesforce sent this browser back. Without scripts a person presses it.
document.querySelector("form[data-onward]")?.requestSubmit();
